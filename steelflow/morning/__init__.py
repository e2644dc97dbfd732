"""The morning after a night: whether it can be trusted, and one page about it, as HTML, PDF and mail."""
