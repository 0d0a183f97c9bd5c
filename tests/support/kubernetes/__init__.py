"""What the tests of the target kubernetes share. Not named `support`: that package belongs to tests/integration."""
