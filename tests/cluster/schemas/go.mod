// The definitions of objects that platforms and gateways bring: downloaded, never compiled.
module mlops.mlflow/tests/schemas

go 1.24

require (
	github.com/openshift/api v0.0.0-20251015095338-264e80a2b6e7
	sigs.k8s.io/gateway-api v1.6.3
)
