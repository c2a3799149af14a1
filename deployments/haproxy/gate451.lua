-- Asks the gateway at the URL in the variable GATE451 about each request before HAProxy forwards it.
-- A request may pass if, and only if, txn.gate451_pass is "yes" behind http-request lua.gate451; haproxy.cfg denies the rest,
-- so that an error here, or a gateway that is down, lets nobody by.

local question = os.getenv("GATE451") .. "/forward-auth"
local patience = 30000 -- ms

-- What buyers send that would give the shop another idea of the target, of their address or scheme, or of their country than
-- the gateway's, in lower case and with hyphens.
local withheld = {}
for name in ([[
  http2-settings proxy-authenticate proxy-authorization forwarded x-forwarded x-forwarded-for x-forwarded-host
  x-forwarded-proto x-forwarded-protocol x-forwarded-scheme x-forwarded-ssl x-forwarded-port x-forwarded-server
  x-forwarded-prefix x-forwarded-path x-forwarded-uri x-forwarded-url x-forwarded-method x-forwarded-by
  x-original-url x-original-uri x-original-host x-original-method x-rewrite-url x-rewrite-uri x-host
  x-http-host-override x-original-path x-original-proto x-original-scheme x-original-port x-envoy-original-path
  x-envoy-original-host x-envoy-original-dst-host request-uri x-request-uri x-http-destinationurl
  x-http-path-override x-forwarded-request-uri x-proxy-url proxy-url proxy-host x-invoke-path x-invoke-query
  x-matched-path front-end-https x-scheme x-url-scheme x-arr-ssl cf-visitor cloudfront-forwarded-proto
  x-original-forwarded-for x-forwarded-client-ip x-real-ip true-client-ip client-ip x-client-ip
  x-cluster-client-ip cf-connecting-ip cf-connecting-ipv6 forwarded-for x-originating-ip x-true-ip
  x-true-client-ip http-client-ip proxy-client-ip wl-proxy-client-ip do-connecting-ip x-proxyuser-ip
  incap-client-ip x-sucuri-clientip ali-cdn-real-ip cdn-src-ip cdn-real-ip x-original-remote-addr cf-pseudo-ipv4
  fastly-client-ip fly-client-ip x-azure-clientip x-azure-socketip x-appengine-user-ip x-envoy-external-address
  x-remote-ip x-remote-addr x-country-code x-country x-geo-country x-client-geo-location x-akamai-edgescape
  x-sucuri-country x-nf-geo x-nf-country cdn-requestcountrycode fastly-country-code cf-region cf-region-code
  cf-timezone cf-postal-code cf-metro-code proxy
]]):gmatch("%S+") do withheld[name] = true end
local families = {"gate451", "geoip-", "geoip2-", "x-geoip-", "x-geoip2-", "mm-", "x-mm-", "cf-ip", "cloudfront-viewer-", "x-vercel-ip-", "x-appengine-"}

-- folded is a header name as CGI, PHP and WSGI know it, but for the case and for hyphens in place of underscores.
local function folded(name)
  return (name:lower():gsub("[^a-z0-9]", "-"))
end

local function is_withheld(name)
  name = folded(name)
  if withheld[name] then return true end
  for _, family in ipairs(families) do
    if name:sub(1, #family) == family then return true end
  end
  return false
end

-- What holds for one connection, what the question has of its own, and what says how long a body is.
local own = {
  ["host"] = true, ["connection"] = true, ["keep-alive"] = true, ["proxy-connection"] = true, ["te"] = true, ["trailer"] = true,
  ["transfer-encoding"] = true, ["upgrade"] = true, ["expect"] = true, ["content-length"] = true, ["http2-settings"] = true,
}

-- What the gateway is told, and the shop is not.
local for_gateway = {["x-forwarded-for"] = true, ["gate451-token"] = true, ["gate451-preview"] = true}

-- values returns the values of a header as a list from 1.
local function values(lines)
  local all, i = {}, 0
  while lines and lines[i] do
    all[#all + 1] = lines[i]
    i = i + 1
  end
  return all
end

local function refuse(txn, status)
  local reply = txn:reply{status = status}
  reply:add_header("content-type", "text/plain; charset=utf-8")
  reply:add_header("cache-control", "no-store")
  txn:done(reply)
end

core.register_action("gate451", {"http-req"}, function(txn)
  txn:set_var("txn.gate451_pass", "no")
  local sent = txn.http:req_get_headers()
  local host = values(sent["host"])
  if #host ~= 1 then return refuse(txn, 400) end

  local headers = {}
  for name, lines in pairs(sent) do
    if not own[name] and (for_gateway[name] or not is_withheld(name)) then headers[name] = values(lines) end
  end
  -- The request line as HAProxy forwards it; what a buyer sends under these names is withheld. From the right end of
  -- X-Forwarded-For, the gateway believes whom client_ip.trusted_proxies names.
  headers["x-forwarded-method"] = {txn.sf:method()}
  headers["x-forwarded-proto"] = {txn.sf:ssl_fc() == "1" and "https" or "http"}
  headers["x-forwarded-host"] = host
  headers["x-forwarded-uri"] = {txn.sf:url()}
  headers["x-forwarded-for"] = headers["x-forwarded-for"] or {}
  table.insert(headers["x-forwarded-for"], txn.sf:src())

  -- A body is sent along if it is here as a whole, which only a Content-Length can tell. The gateway is told that there is one
  -- otherwise, and judges by undetermined_product.
  local length, body = values(sent["content-length"]), txn.sf:req_body()
  local whole = #length == 1 and #body > 0 and tostring(#body) == length[1]
  if not whole then
    body = nil
    if #length > 0 then headers["x-original-content-length"] = length end
    if sent["transfer-encoding"] or txn.sf:req_body_len() ~= "0" then headers["x-original-transfer-encoding"] = {"chunked"} end
  end

  local client = core.httpclient()
  local asked = {url = question, headers = headers, timeout = patience, body = body}
  local answer
  if body then answer = client:post(asked) else answer = client:get(asked) end
  if not answer or not answer.status or answer.status < 200 then return refuse(txn, 503) end

  if answer.status ~= 200 then
    local reply = txn:reply{status = answer.status, reason = answer.reason}
    for name, lines in pairs(answer.headers) do
      if not own[name] and name ~= "date" then
        for _, value in ipairs(values(lines)) do reply:add_header(name, value) end
      end
    end
    reply:set_body(answer.body)
    return txn:done(reply)
  end

  for name in pairs(sent) do
    if is_withheld(name) then txn.http:req_del_header(name) end
  end
  for _, name in ipairs{"x-country-code", "gate451-decision", "gate451-notice"} do
    txn.http:req_del_header(name)
    local told = values(answer.headers[name])
    if #told == 1 then txn.http:req_set_header(name, told[1]) end
  end
  txn.http:req_set_header("x-forwarded-for", txn.sf:src())
  txn.http:req_set_header("x-forwarded-proto", headers["x-forwarded-proto"][1])
  txn.http:req_set_header("x-forwarded-host", host[1])
  local cache = values(answer.headers["cache-control"])
  if #cache == 1 then txn:set_var("txn.gate451_cache", cache[1]) end
  local notice = values(answer.headers["gate451-notice"])
  if #notice == 1 then txn:set_var("txn.gate451_notice", notice[1]) end
  txn:set_var("txn.gate451_pass", "yes")
end)
