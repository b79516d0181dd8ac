"""Files that hold images or text inside: documents, videos, animations, camera RAW."""
