"""What the tests of the compose targets share. Load and real client are those of tests/cluster/k8s."""
