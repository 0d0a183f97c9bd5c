"""What the roles render without a target."""
