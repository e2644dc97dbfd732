"""What pages read: stores and readers, and the figures made from them."""
