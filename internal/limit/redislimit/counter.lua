-- One exchange for one counter (limit.Ask, limit.Grant); limittest.Memory says
-- the same in Go. Times are µs of Redis's clock.
--
-- KEYS[1] is a hash:
--   g  its generation: another one each time it had to be made again
--   r:REPLICA  "used have dead seq": what it reported, its lease, when that dies
-- of a quota also
--   b  what was known to be used when it was made
--   n  what was reported since
--   s  "store" when b came of the store, which may hold what replicas have yet to report
-- of a rate limit also
--   a, i  all that was used will have flowed off i steps after a
--   c, w  the count and window of these steps; a step is w/c
local kind, replica, seq = ARGV[1], ARGV[2], tonumber(ARGV[3])
local need, spare, replicas = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local limit, have, used, acked = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])
local generation, known, floor, sure = ARGV[11], tonumber(ARGV[12]), tonumber(ARGV[13]), ARGV[14] == '1'
local count, window, age = tonumber(ARGV[15]), tonumber(ARGV[16]), tonumber(ARGV[17])
local life, keep, skew, fresh = tonumber(ARGV[18]), tonumber(ARGV[19]), tonumber(ARGV[20]), ARGV[21]

local function whole(x) return string.format('%.0f', x) end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2]) + skew

local is = {}
local mine, others = nil, 0
local fields = redis.call('HGETALL', KEYS[1])
for k = 1, #fields, 2 do
  local name, value = fields[k], fields[k + 1]
  if string.sub(name, 1, 2) ~= 'r:' then
    is[name] = value
  else
    local u, h, dead, s = string.match(value, '^(%-?%d+) (%d+) (%d+) (%d+)$')
    if name == 'r:' .. replica then
      mine = {used = tonumber(u), have = tonumber(h), seq = tonumber(s)}
    elseif tonumber(dead) <= now then
      redis.call('HDEL', KEYS[1], name)
    else
      others = others + tonumber(h)
    end
  end
end

local made = is.g == nil
if made and kind == 'quota' and generation == '' and not sure then
  return {now, '', 0, 0, 1, 0, 0, 0, 0}
end
if mine and seq <= mine.seq then
  return {now, is.g, 0, 1, 0, others + mine.have, (tonumber(is.b) or 0) + (tonumber(is.n) or 0), 0, 0}
end
is.g = is.g or fresh
local more = used - acked
if mine then more = used - mine.used end

local room, total, moment, wait = limit, 0, 0, 0
if kind == 'quota' then
  if made then
    if generation ~= '' then is.b, is.s = known, '' else is.b, is.s = floor, 'store' end
  end
  local base, news = tonumber(is.b), tonumber(is.n or 0)
  if mine or made or generation == is.g then
    news = news + more
  elseif generation == '' then
    base, news = math.max(base, floor - news), news + more
  elseif is.s == 'store' then -- where the news may be in it already
    base = math.max(base, known + more - news)
  else -- lost, and made again by somebody who saw it: both have counted on since
    base, news = math.max(base, known), news + more
  end
  total = base + news
  room = limit - total
  redis.call('HSET', KEYS[1], 'b', whole(base), 'n', whole(news), 's', is.s)
elseif kind == 'rate' then
  local a, i = tonumber(is.a or now), tonumber(is.i or 0)
  local c, w = tonumber(is.c or count), tonumber(is.w or window)
  if c ~= count or w ~= window then -- whole requests that were used stay used
    a, i = now, math.max(0, math.ceil(((a - now) + i * w / c) * c / w))
  end
  if i >= count then -- keep the numbers small
    local windows = math.floor(i / count)
    a, i = a + windows * window, i - windows * count
  end
  local function ahead(of) return (a - of) + i * window / count end -- of the moment
  if ahead(now) < 0 and more == 0 then a, i = now, 0 end
  if generation ~= is.g then -- it was lost since: what is known of it stays used
    if ahead(known) < 0 then a, i = known, 0 end
    if generation == '' then more = 0 end
  end
  if more > 0 then
    if ahead(now - age) < 0 then a, i = now - age, 0 end
    i = i + more
  end
  if ahead(now) > limit * window / count then a, i = now, limit end
  local left = math.max(0, ahead(now))
  moment = now + math.ceil(left)
  -- How many steps lie free: counted in whole ones, as i is, where they are.
  room = math.floor(limit - math.max(0, i + (a - now) * count / window))
  if room < 1 then wait = math.ceil(left - (limit - 1) * window / count) end
  redis.call('HSET', KEYS[1], 'a', whole(a), 'i', whole(i), 'c', whole(count), 'w', whole(window))
  keep = keep + left / 1000
end

-- What is needed, and on top no more than half of this replica's part of the rest.
local remaining = math.max(0, room - others - have)
local granted = math.min(need, remaining)
granted = granted + math.min(spare, math.floor((remaining - granted) / (2 * replicas)))

redis.call('HSET', KEYS[1], 'g', is.g,
  'r:' .. replica, whole(used) .. ' ' .. whole(have + granted) .. ' ' .. whole(now + life) .. ' ' .. whole(seq))
redis.call('PEXPIRE', KEYS[1], math.ceil(keep))
return {now, is.g, granted, 0, 0, others + have + granted, total, moment, wait}
