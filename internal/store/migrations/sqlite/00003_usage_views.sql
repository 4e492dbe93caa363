-- Views for people and for Grafana: usage_hourly and usage_daily, the same
-- columns in both engines.
--
--   time             start of the hour or UTC day (text, RFC 3339)
--   customer_id      '' for a public service; customer is the name today
--   key_id           '' for a public service; key is the name today
--   plan_version     the version that prices it
--   service, endpoint, status ('2xx'), class, unit
--   amount           so much of the unit
--   bytes_in, bytes_out, latency_seconds
--                    sums over the requests, in the rows of the unit 'requests'

-- +goose Up
create view usage_hourly as
select strftime('%Y-%m-%dT%H:%M:%SZ', r.period / 1000000, 'unixepoch') as time,
       c.name                     as customer_id,
       coalesce(customer.name, '') as customer,
       k.name                     as key_id,
       coalesce(api_key.name, '')  as key,
       v.name                     as plan_version,
       s.name                     as service,
       e.name                     as endpoint,
       r.status || 'xx'           as status,
       case r.class when 1 then 'chargeable' when 2 then 'not_billable' when 3 then 'test' else 'unknown' end as class,
       u.name                     as unit,
       r.amount,
       r.bytes_in,
       r.bytes_out,
       r.latency / 1000000.0      as latency_seconds
from rollup_hour r
join usage_name c on c.id = r.customer
join usage_name k on k.id = r.key
join usage_name v on v.id = r.plan_version
join usage_name s on s.id = r.service
join usage_name e on e.id = r.endpoint
join usage_name u on u.id = r.unit
left join customer on customer.id = c.name
left join api_key  on api_key.id = k.name;

create view usage_daily as
select strftime('%Y-%m-%dT%H:%M:%SZ', r.period / 1000000, 'unixepoch') as time,
       c.name                     as customer_id,
       coalesce(customer.name, '') as customer,
       k.name                     as key_id,
       coalesce(api_key.name, '')  as key,
       v.name                     as plan_version,
       s.name                     as service,
       e.name                     as endpoint,
       r.status || 'xx'           as status,
       case r.class when 1 then 'chargeable' when 2 then 'not_billable' when 3 then 'test' else 'unknown' end as class,
       u.name                     as unit,
       r.amount,
       r.bytes_in,
       r.bytes_out,
       r.latency / 1000000.0      as latency_seconds
from rollup_day r
join usage_name c on c.id = r.customer
join usage_name k on k.id = r.key
join usage_name v on v.id = r.plan_version
join usage_name s on s.id = r.service
join usage_name e on e.id = r.endpoint
join usage_name u on u.id = r.unit
left join customer on customer.id = c.name
left join api_key  on api_key.id = k.name;

-- +goose Down
drop view usage_daily;
drop view usage_hourly;
