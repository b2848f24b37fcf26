"""Generated answers for every place where a vendor's bytes are read: only errors of our tree may come out."""
