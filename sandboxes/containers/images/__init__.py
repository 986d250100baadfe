"""Images: the book's own, what a reader builds, what is in their layers, and how they travel."""
