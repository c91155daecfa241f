"""What keeps the answers of a batch, on the disk, before they count."""
