-- Asks Tollhouse about each request: `http-request lua.tollhouse` in a frontend.
-- It needs HAProxy 2.5 or newer, built with Lua (core.httpclient).

local address = "http://127.0.0.1:9901/authorize"
local secret = os.getenv("TOLLHOUSE_AUTHORIZE")
local timeout = 5000 -- milliseconds

-- What of the client's request Tollhouse looks at.
local asked = {
	"authorization", "x-api-key", "accept",
	"hx-request", "hx-request-type", "hx-boosted", "hx-history-restore-request",
}

-- Who calls, for the service.
local told = {
	"tollhouse-customer", "tollhouse-key", "tollhouse-plan", "tollhouse-features",
	"tollhouse-mode", "tollhouse-decision", "x-request-id",
}

-- What must not be copied from Tollhouse's answer into ours.
local hop = { ["connection"] = true, ["content-length"] = true, ["transfer-encoding"] = true, ["date"] = true }

-- Fields count from 0.
local function values(of)
	local list = {}
	local i = 0
	while of and of[i] do
		list[#list + 1] = of[i]
		i = i + 1
	end
	return list
end

local function refuse(txn, status, fields, body)
	local reply = txn:reply({ status = status })
	for name, of in pairs(fields) do
		if not hop[name] then
			for _, value in ipairs(values(of)) do
				reply:add_header(name, value)
			end
		end
	end
	reply:set_body(body)
	txn:done(reply)
end

core.register_action("tollhouse", { "http-req" }, function(txn)
	local client = txn.http:req_get_headers()
	local question = {
		["tollhouse-authorize"] = { secret },
		["x-forwarded-method"] = { txn.sf:method() },
		["x-forwarded-uri"] = { txn.sf:pathq() },
		["x-forwarded-host"] = values(client["host"]),
		["x-forwarded-proto"] = { txn.f:ssl_fc() == 1 and "https" or "http" },
		["x-forwarded-for"] = { txn.sf:src() },
	}
	for _, name in ipairs(asked) do
		local said = values(client[name])
		if #said > 0 then
			question[name] = said
		end
	end

	local answer = core.httpclient():get({ url = address, headers = question, timeout = timeout })
	if not answer or not answer.status or answer.status < 200 then -- nobody there: nobody gets in
		refuse(txn, 503, { ["content-type"] = { [0] = "application/problem+json" }, ["retry-after"] = { [0] = "1" } },
			'{"title":"Access cannot be decided now","status":503}\n')
		return
	end
	if answer.status > 299 then
		refuse(txn, answer.status, answer.headers or {}, answer.body or "")
		return
	end
	for _, name in ipairs(told) do
		local of = values(answer.headers[name])
		if #of > 0 and of[1] ~= "" then
			txn.http:req_set_header(name, of[1])
		end
	end
	for field, var in pairs({ ["ratelimit"] = "txn.tollhouse_left", ["ratelimit-policy"] = "txn.tollhouse_policies" }) do
		local of = values(answer.headers[field])
		if #of > 0 then
			txn:set_var(var, of[1])
		end
	end
end, 0)
