# make run and make test are all that a newcomer needs; make help lists the rest.
# Tools are pinned and installed into .bin or e2e/node_modules, never globally.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

GOLANGCI_VERSION := v2.15.0
GO_PACKAGES := ./...
BIN := $(CURDIR)/.bin
GOLANGCI := $(BIN)/golangci-lint-$(GOLANGCI_VERSION)
GRPCURL := $(BIN)/grpcurl
BUF := e2e/node_modules/.bin/buf
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
COMMIT := $(shell git rev-parse HEAD 2>/dev/null)
BUILD_FLAGS := -trimpath -ldflags '-s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)'

.PHONY: help
help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: build ## Build and start the service and the chat; Ctrl-C ends both.
	@examples/chat/run.sh

.PHONY: example-express
example-express: build ## Start the coffee bar: an Express app with realtime-svc in front; Ctrl-C ends both.
	@examples/express/run.sh

.PHONY: build
build: check-go bundle ## Build bin/realtime-svc and bin/chat.
	@mkdir -p bin
	CGO_ENABLED=0 go build $(BUILD_FLAGS) -o bin/ ./cmd/realtime-svc ./examples/chat

.PHONY: bundle
bundle: ## Fetch the stock Socket.IO client from npm into the build.
	@wsedge/bundle/fetch.sh

.PHONY: test
test: test-go test-portable test-deploy test-e2e ## Run all tests, from unit to browser.

.PHONY: test-go
test-go: check-go bundle ## Run the Go tests with the race detector.
	go vet $(GO_PACKAGES)
	go test -race -shuffle=on -timeout 10m $(GO_PACKAGES)

.PHONY: test-portable
test-portable: check-go bundle ## Run the edge's and the process' tests on the portable engine.
	REALTIME_TEST_ENGINE=portable go test -race -shuffle=on -timeout 10m ./wsedge/... ./cmd/...

.PHONY: test-e2e
test-e2e: build $(GRPCURL) node_modules chromium python-socketio clients examples/express/node_modules/.package-lock.json ## Run the tests with the real Socket.IO clients and Chromium.
	cd e2e && REALTIME_BIN='$(CURDIR)/bin/realtime-svc' CHAT_BIN='$(CURDIR)/bin/chat' npm test --silent

.PHONY: test-deploy
test-deploy: build deploy-tools ## Check what is in deploy/, and start the image.
	cd deploy/check && REALTIME_BIN='$(CURDIR)/bin/realtime-svc' go test -count=1 -timeout 5m .

.PHONY: image
image: build deploy-tools ## Build the container image as an OCI archive.
	deploy/image/build.sh

.PHONY: clients
clients: check-go node_modules client-tools ## Generate clients in all languages, and build the examples that use them.
	examples/clients/build.sh

.PHONY: fuzz
fuzz: check-go ## Fuzz each parser for FUZZTIME (default 30s).
	@for package in ./wsedge/transport ./wsedge/engineio ./wsedge/socketio ./service/gateway ./cmd/realtime-svc; do \
		for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz'); do \
			echo "$$package $$target"; \
			go test -run '^$$' -fuzz "^$$target$$" -fuzztime $${FUZZTIME:-30s} $$package; \
		done; \
	done

.PHONY: storm
storm: check-go ## Cut 5,000 clients at once and have all of them recovered (needs 6,000 open files).
	REALTIME_TEST_STORM=full go test -run RecoveryStorm -v -count 1 ./cmd/realtime-svc

.PHONY: drain
drain: check-go ## Restart under 10,000 clients that are sent on, and look that nobody is refused (needs 21,000 open files).
	REALTIME_TEST_DRAIN=full go test -run RestartRefusesNobody -v -count 1 ./cmd/realtime-svc

.PHONY: chaos
chaos: check-go ## Check consumer groups for CHAOS (default 10m) each: on a model, and with members that are killed.
	go test -race -run TestModelOfGroups -v -count=1 -timeout 60m ./service/feed -model.time=$${CHAOS:-10m}
	REALTIME_TEST_CHAOS=$${CHAOS:-10m} go test -race -run ConsumeChaos -v -count=1 -timeout 60m ./cmd/realtime-svc

.PHONY: roundtrip
roundtrip: build node_modules ## Compare round trips of acknowledgements with Node's socket.io, which answers in its own process.
	cd e2e && REALTIME_BIN='$(CURDIR)/bin/realtime-svc' node roundtrip.mjs

.PHONY: dances
dances: check-go ## Run 100,000 upgrades (DANCES) with crossing messages and cuts on either engine.
	REALTIME_TEST_DANCES=$${DANCES:-100000} go test -run Dances -v -count=1 -timeout 60m ./wsedge
	REALTIME_TEST_ENGINE=portable REALTIME_TEST_DANCES=$${DANCES:-100000} go test -run Dances -v -count=1 -timeout 60m ./wsedge

.PHONY: bench
bench: build node_modules ## Measure the service beside Node's socket.io (BENCH: flags, such as -rounds 1 -only idle).
	go build -o bin/bench ./bench
	bin/bench -json bin/bench.json $(BENCH)

.PHONY: gobench
gobench: check-go ## Run the Go benchmarks.
	go test -run '^$$' -bench . -benchmem ./rooms ./wsedge/... ./service/...

# The worktree of BASE is removed again; both runs are in bin/.
.PHONY: benchcmp
benchcmp: check-go bundle ## Compare the Go benchmarks with those of the commit BASE (PACKAGES, COUNT=6).
	@test -n "$(BASE)" || { echo "make benchcmp BASE=COMMIT"; exit 1; }
	@mkdir -p bin
	git worktree add --force --detach bin/base $(BASE) >/dev/null
	cp wsedge/bundle/dist/* bin/base/wsedge/bundle/dist/ 2>/dev/null || true
	for round in $$(seq $${COUNT:-6}); do \
		(cd bin/base && go test -run '^$$' -bench . -benchmem $${PACKAGES:-./rooms ./service/feed}) >>bin/base.txt; \
		go test -run '^$$' -bench . -benchmem $${PACKAGES:-./rooms ./service/feed} >>bin/now.txt; \
	done; git worktree remove --force bin/base
	go tool benchstat bin/base.txt bin/now.txt
	@rm -f bin/base.txt bin/now.txt

.PHONY: lint
lint: check-go $(GOLANGCI) ## Lint the Go code, gofmt included, and the shell scripts' syntax.
	$(GOLANGCI) run
	@for script in $$(git ls-files '*.sh' .ci/run); do bash -n $$script; done

.PHONY: generate
generate: check-go node_modules protoc ## Generate gen/ and the references in docs/.
	$(BUF) format -w
	$(BUF) generate
	$(BUF) generate --template buf.gen.docs.yaml
	go generate ./cmd/...

.PHONY: check-generated
check-generated: check-go node_modules protoc ## Check the contract, and that what is generated is up to date.
	$(BUF) lint
	$(BUF) format -d --exit-code
	$(BUF) breaking --against proto/baseline.binpb
	$(BUF) generate
	$(BUF) generate --template buf.gen.docs.yaml
	@git diff --exit-code HEAD -- gen docs/api.md || { echo "gen/ or docs/api.md is not what proto/ generates: run make generate"; exit 1; }
	@untracked=$$(git ls-files --others --exclude-standard gen); \
		if [ -n "$$untracked" ]; then echo "generated but not committed: $$untracked"; exit 1; fi

.PHONY: clean
clean: ## Remove what was built and fetched.
	rm -rf bin .bin examples/clients/.build examples/*/node_modules examples/clients/typescript/{node_modules,dist} e2e/node_modules e2e/.build e2e/.out
	find wsedge/bundle/dist -type f ! -name .gitkeep -delete

.PHONY: check-go
check-go:
	@command -v go >/dev/null || { echo "Go is not installed: see https://go.dev/doc/install (version: go.mod)"; exit 1; }

.PHONY: node_modules
node_modules: e2e/node_modules/.package-lock.json

e2e/node_modules/.package-lock.json: e2e/package-lock.json
	@command -v npm >/dev/null || { echo "npm is not installed: the browser's part needs Node 20 with npm"; exit 1; }
	cd e2e && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

examples/express/node_modules/.package-lock.json: examples/express/package-lock.json
	cd examples/express && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

# install installs packages of Debian, or says what is missing.
define install
{ if ! command -v apt-get >/dev/null; then echo "not installed: $(1). Install what your system has in their place"; exit 1; fi; \
root=; if [ "$$(id -u)" != 0 ]; then root=sudo; \
	if ! command -v sudo >/dev/null; then echo "not installed: as root, apt-get install $(1)"; exit 1; fi; fi; \
echo "installing $(1)"; \
$$root apt-get update -qq && $$root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(1) >/dev/null; }
endef

# The browser of the tests: CHROMIUM if it is set, or Debian's package.
.PHONY: chromium
chromium:
	@[ -n "$${CHROMIUM:-}" ] || command -v chromium >/dev/null || $(call install,chromium)

# Python's client, one of those that the tests speak with, for the interpreter of Debian's packages.
.PHONY: python-socketio
python-socketio:
	@/usr/bin/python3 -c 'import socketio, requests, websocket' 2>/dev/null || $(call install,python3-socketio python3-requests python3-websocket)

# Debian's protoc with its plugins, for the clients in Python.
.PHONY: protoc
protoc:
	@command -v protoc >/dev/null && command -v grpc_python_plugin >/dev/null || $(call install,protobuf-compiler protobuf-compiler-grpc)

# What the clients in Python, Ruby, Java and C++ are built and run with.
.PHONY: client-tools
client-tools: protoc
	@/usr/bin/python3 -c 'import grpc, google.protobuf' 2>/dev/null && /usr/bin/ruby -e 'require "grpc"' 2>/dev/null && \
	command -v grpc_java_plugin javac >/dev/null && test -e /usr/share/java/grpc-stub.jar && pkg-config --exists grpc++ 2>/dev/null || \
	$(call install,python3-grpcio python3-protobuf ruby ruby-grpc ruby-google-protobuf default-jdk-headless protobuf-compiler-grpc-java-plugin \
		libgrpc-java libprotobuf-java libnetty-java libgoogle-gson-java libjsr305-java libperfmark-java libgeronimo-annotation-1.3-spec-java \
		g++ pkg-config libgrpc++-dev libprotobuf-dev)

# What checks the files in deploy/, and builds the image.
.PHONY: deploy-tools
deploy-tools:
	@command -v buildah >/dev/null && command -v promtool >/dev/null && command -v systemd-analyze >/dev/null || \
	$(call install,buildah prometheus systemd ca-certificates)

# What the documentation calls the service with.
$(GRPCURL):
	@mkdir -p $(BIN)
	GOBIN=$(BIN) go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4

# The name holds the version, so that another one is another file.
$(GOLANGCI):
	@mkdir -p $(BIN)
	GOBIN=$(BIN) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	@mv $(BIN)/golangci-lint $@
