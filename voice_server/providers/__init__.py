"""The seam to vendors."""
