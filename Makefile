# `make help` lists what there is. Nothing here is needed to use Tollhouse: that
# is `go run ./cmd/tollhouse demo`, and `go test ./...`.

SHELL := /bin/bash
.DEFAULT_GOAL := help
export GOTOOLCHAIN := auto

assets := internal/console/assets

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: dev
dev: ## run the demo; a saved template or Go file rebuilds and restarts it
	go tool templ generate --watch --cmd "go run ./cmd/tollhouse demo"

.PHONY: css
css: $(assets)/node_modules ## rebuild the console's style sheet at each change (beside make dev)
	cd $(assets) && node_modules/.bin/tailwindcss --input src/console.css --output dist/console.css --minify --watch=always

.PHONY: test
test: ## run the tests; what is not installed is skipped, with a line that says so
	go test ./...

.PHONY: race
race: ## run the tests of the inner rooms under the race detector (needs gcc)
	go test -race ./internal/...

.PHONY: e2e
e2e: ## run the tests of the whole program, from outside
	go test -count=1 -v ./e2e/...

.PHONY: proof-kill
proof-kill: ## kill -9 under load, 1,000 times (KILLS=100 for less), fail and kill at every failpoint, and count what was lost or doubled
	TOLLHOUSE_KILLS=1 go test -count=1 -v -run 'Failpoint|HistoryOfFaults' ./internal/meter/
	TOLLHOUSE_KILLS=$(or $(KILLS),1000) go test -count=1 -v -timeout 2h -run '^TestKilledUnderLoad' ./e2e/

.PHONY: proof-power
proof-power: ## cut the power of the program's disk under load, 1,000 times (CUTS=100 for less); needs root and loop devices
	TOLLHOUSE_POWER_CUTS=$(or $(CUTS),1000) go test -count=1 -v -timeout 2h -run '^TestAPowerCut' ./e2e/

.PHONY: proof-database
proof-database: ## take the database away under load for ten minutes (SECONDS_AWAY=60 for less)
	TOLLHOUSE_DATABASE_AWAY=$(or $(SECONDS_AWAY),600) go test -count=1 -v -timeout 2h -run '^TestADatabase(That|User|Whose)' ./e2e/

.PHONY: proof-rollups
proof-rollups: ## 10,000 random histories on each database (HISTORIES=1000 for fewer): every sum is a recount of the events
	CI= go test -count=1 -v -timeout 2h -run '^TestRollupsAreARecount' ./internal/store/ -rapid.checks=$(or $(HISTORIES),10000)

.PHONY: proof-reload
proof-reload: ## reload 1,000 mutated configurations beside a light load (RELOADS=5000, SEED=7 for others)
	TOLLHOUSE_RELOADS=$(or $(RELOADS),1000) TOLLHOUSE_SEED=$(or $(SEED),0) go test -count=1 -v -timeout 1h -run '^TestMutatedConfigurations' ./e2e/

.PHONY: proof-balance
proof-balance: ## take one of three upstreams away under load, 20 times (LOSSES=60 for more), and count what failed
	TOLLHOUSE_LOSSES=$(or $(LOSSES),20) go test -count=1 -v -timeout 2h -run '^TestLosingOneOfThree' ./e2e/

.PHONY: proof-h2spec
proof-h2spec: ## run h2spec against the HTTPS listener and against Go's own server (H2SPEC=PATH, or h2spec on the path)
	H2SPEC="$(or $(H2SPEC),$(shell PATH="$$PATH:$$(go env GOPATH)/bin" command -v h2spec))" CI=true go test -count=1 -v -run '^TestSpeaksHTTP2' ./e2e/

.PHONY: proof-cache
proof-cache: ## run the public cache suite (CACHE_TESTS=PATH of a checkout, prepared with npm install) beside nginx and Varnish
	@test -n "$(CACHE_TESTS)" || { echo "git clone https://github.com/http-tests/cache-tests && (cd cache-tests && npm install)"; \
		echo "make proof-cache CACHE_TESTS=cache-tests"; exit 2; }
	CACHE_TESTS="$(abspath $(CACHE_TESTS))" go test -count=1 -v -timeout 30m -run '^TestKeepsToTheRulesAsThePublicSuite' ./e2e/

.PHONY: proof-attack
proof-attack: ## ten thousand slow connections, floods and strange names at full size, and what nginx makes of odd requests
	TOLLHOUSE_PEERS=1 go test -count=1 -v -run '^TestComparesWithAPeer' ./internal/edge/
	TOLLHOUSE_ATTACKERS=$(or $(ATTACKERS),10000) go test -count=1 -v -timeout 1h -run '^(TestAnAttackIsOutlived|TestUnknownNamesGetNoOrder|TestAFewDescriptors)' ./e2e/

.PHONY: proof-limits
proof-limits: ## hold limits and quotas to a model, share them over Redis, kill 50 times, kill Redis, revoke (SECONDS_LOAD=60, KILLS=10 for less)
	TOLLHOUSE_LIMIT_SECONDS=$(or $(SECONDS_LOAD),760) TOLLHOUSE_QUOTA_KILLS=$(or $(KILLS),50) go test -count=1 -v -timeout 2h -parallel 3 \
		-run '^(TestOneNodeAdmits|TestThreeReplicas|TestAReplicaWhoseClock|TestAQuotaSurvives|TestWhileRedisIsAway|TestWhatIsChanged|TestAKeyEnds|TestWhatIsNoKey)' ./e2e/

.PHONY: proof-weights
proof-weights: ## measure in Chromium what a first view of each console page weighs, into docs/proof/weights.md
	go test -count=1 -run TestFirstViewsStayInsideTheirBudgets ./internal/console -weights $(CURDIR)/docs/proof/weights.md

.PHONY: proof-keys
proof-keys: ## decide about 256,000 valid keys and 1,000,000 near misses, and measure a million keys (KEYS=, MISSES=, SEED= for others)
	TOLLHOUSE_KEYS=$(or $(KEYS),256000) TOLLHOUSE_NEAR_MISSES=$(or $(MISSES),1000000) TOLLHOUSE_SEED=$(or $(SEED),1) \
		go test -count=1 -v -timeout 1h -run '^TestNoNearMiss' -bench 'Million|LookupHot|LookupUnknown' -benchmem ./internal/apikey/

.PHONY: proof-upgrade
proof-upgrade: ## upgrade under load: 10 times within 200,000 requests, and streams for 60 s (UPGRADES=, REQUESTS=, SECONDS_OPEN=)
	TOLLHOUSE_UPGRADES=$(or $(UPGRADES),10) TOLLHOUSE_UPGRADE_REQUESTS=$(or $(REQUESTS),200000) TOLLHOUSE_UPGRADE_STREAM_SECONDS=$(or $(SECONDS_OPEN),60) \
		go test -count=1 -v -timeout 2h -run '^(TestUpgradedUnderLoad|TestStreamsLiveThrough)' ./e2e/

.PHONY: bench
bench: ## run the benchmarks
	go test -run '^$$' -bench . -benchmem ./internal/... ./examples/...

.PHONY: search
search: ## look for counterexamples to the properties, with random draws (CHECKS=20000 for longer)
	CI= go test -count=1 -timeout 2h $$(git grep -l pgregory.net/rapid -- '*_test.go' | xargs -n1 dirname | sort -u | sed 's|^|./|') -rapid.checks=$(or $(CHECKS),5000)

.PHONY: fuzz
fuzz: ## run every fuzz target, 10 s each (SECONDS_EACH=60 for more)
	.ci/fuzz $(or $(SECONDS_EACH),10)

.PHONY: lint
lint: ## run the linters, at their pinned version
	.ci/lint

.PHONY: generate
generate: ## rebuild templates, style sheet and icons (needs Node 20)
	.ci/generate

$(assets)/node_modules:
	.ci/generate packages

.PHONY: ci
ci: ## all that CI does; installs Debian packages, so run it as root in a container
	.ci/run

.PHONY: clean
clean: ## remove what was built; the data in ./tollhouse-data stays
	rm -rf bin tollhouse $(assets)/node_modules
	find . -name '*.test' -o -name '*.prof' -o -name '*.out' | xargs -r rm -f
	go clean ./...
