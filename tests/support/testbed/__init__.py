"""A single-node Kubernetes for tests, built from Go modules. See the README beside this package."""
