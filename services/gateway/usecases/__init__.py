"""What the gateway can do: let people in, found workspaces, ask others in."""
