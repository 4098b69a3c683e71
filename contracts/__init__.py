"""The only thing that services know about each other: the messages they exchange, and nothing that moves them."""
