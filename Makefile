# Each target is a line or two; what takes more stands in scripts/.

.PHONY: help build unit test test-engines lint vuln bench soak demo image release clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s  %s\n", $$1, $$2}' Makefile

build: ## build the static binary ./defib
	@scripts/build.sh

unit: ## run the tests that need no engine, no root and nothing but Go
	@go test -short $$(go list ./... | grep -v /e2e)

test: ## run every check; as root on Debian it installs what is missing
	@scripts/test.sh

test-engines: ## run what depends on engines and servers on those of SUITES="trixie sid" of Debian; as root
	@scripts/test-engines.sh

lint: ## run golangci-lint, with gofumpt and goimports, and actionlint
	@scripts/lint.sh

vuln: ## look for known vulnerabilities in what Defib calls; asks the Go vulnerability database
	@go run golang.org/x/vuln/cmd/govulncheck@v1.9.0 ./...

bench: ## measure speed against a real engine, keep the numbers in bench.txt
	@scripts/bench.sh

soak: ## run the long tests of the laws, more than an hour; as root (scripts/soak.sh has the settings)
	@scripts/soak.sh

demo: ## kill a container and watch Defib bring it back (DEMO_EXIT=1: then end)
	@scripts/demo.sh

image: ## build the container image defib
	@scripts/image.sh

release: ## build what is released into dist/, each binary twice to compare
	@scripts/release.sh

clean: ## remove what the other targets made
	rm -rf defib bench.txt dist
