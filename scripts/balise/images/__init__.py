"""What is in an image, told from the image itself: its files, its packages, its bill of materials."""
