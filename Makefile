# generate: everything that is made from openapi.yaml, always the same from the same input.
CODEGEN := go tool oapi-codegen

.PHONY: generate
generate:
	$(CODEGEN) -config api/oapi-codegen.yaml openapi.yaml
	$(CODEGEN) -config internal/httpapi/oapi-codegen.yaml openapi.yaml
	$(CODEGEN) -config internal/httpapi/oapi-codegen.spec.yaml openapi.yaml
	$(CODEGEN) -config pkg/client/oapi-codegen.yaml openapi.yaml
	cp openapi.yaml internal/httpapi/openapi.gen.yaml
