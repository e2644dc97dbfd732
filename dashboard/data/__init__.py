"""The data of the pages: stores and readers, and the figures made from them."""
