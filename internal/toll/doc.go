// Package toll holds the nouns of Tollhouse: what two or more rooms of the
// house share. It imports the standard library only, does no I/O and knows no
// HTTP.
//
// Glossary (one word per thing, everywhere: code, configuration, database,
// pages, docs):
//
//	service            what stands behind the gateway: a name, where its requests come in, its upstreams
//	upstream           one address that serves a service
//	endpoint           method + path pattern of a service, the unit of analytics, of bounded number
//	customer           who pays: an organisation, with one subscription
//	subscription       a plan version, its add-ons and the customer's overrides, with its own period
//	member             a person of a customer: owner, admin, developer, billing, viewer
//	operator           a person who runs this installation: admin, support, viewer
//	key                an API key of a customer
//	API token          opens the management API for a program, in the name of a member or operator
//	plan               price, limits, quotas, unit prices, and what it includes
//	add-on             what a subscription can add to its plan
//	rate limit         how fast: so many per second, minute or hour; protects capacity
//	quota              how much: so many per day or month; what was bought
//	concurrency limit  how many at the same time
//	policy             a rate limit, quota or concurrency limit, as it is decided and named in answers
//	unit               what is counted and billed: requests, and what a service reports
//	usage event        one finished request, or one event sent in from outside, with its units
//	journal            the crash-safe local log that usage events are written to first
//	rollup             usage added up per period, customer, key, service, endpoint, status class and unit
//	invoice            a billing period's lines for a customer
//	mirror             the local copy of Stripe's objects
//	approval           a customer's ask that an operator approves or rejects
//	release            one version of a service or of Tollhouse itself on the machines
//	machine            a Linux host that releases run on
package toll
