// The definitions of objects that operators and gateways bring: downloaded, never compiled.
module mlops.mlflow/tests/schemas

go 1.24

require (
	github.com/cloudnative-pg/cloudnative-pg v1.27.1
	github.com/openshift/api v0.0.0-20251015095338-264e80a2b6e7
	sigs.k8s.io/gateway-api v1.6.3
)
