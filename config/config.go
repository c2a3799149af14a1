package config

import (
	"log/slog"
	"net/netip"
	"net/url"
	"time"
)

// Config is a valid gateway.yaml. The struct tags are the one source of its keys, defaults and
// descriptions: the loader, the environment variables and the JSON Schema all come from them.
type Config struct {
	Listen         string   `yaml:"listen" format:"listen" default:":8080" doc:"Address that buyers' requests arrive at, host:port. No host means every interface."`
	TLS            TLS      `yaml:"tls" doc:"The gateway's own certificate, from files, which are watched and swapped without a restart, or from an authority. Left out: plain HTTP."`
	HTTP2Cleartext bool     `yaml:"http2_cleartext" format:"switch" default:"false" doc:"Whether HTTP/2 is spoken without TLS too, to clients that begin with it (prior knowledge), as balancers do. HTTP/2 over TLS needs no switch."`
	ClientIP       ClientIP `yaml:"client_ip" doc:"How the buyer's address is found."`
	Routes         []Route  `yaml:"routes" required:"true" example:"[{hosts: [shop.example], upstreams: [\"http://10.0.0.5:3000\"]}]" doc:"Which hosts go to which upstreams. A host that no route names is answered 421."`
	Policy         string   `yaml:"policy" format:"file" required:"true" example:"policy.yaml" doc:"File with the rules. It is watched."`
	GeoIP          GeoIP    `yaml:"geoip" doc:"How an address becomes a country."`
	CountryHeader  string   `yaml:"country_header" format:"header" default:"X-Country-Code" doc:"Header with the buyer's country, set for the upstream on every request; inbound copies are removed."`
	GovernedCache  string   `yaml:"governed_cache" enum:"private|untouched" default:"private" doc:"Cache-Control of answers that pass on a governed request: private keeps shared caches from handing them to another country, untouched leaves it to the upstream."`
	ForwardAuth    Forward  `yaml:"forward_auth" doc:"The port that a proxy in front asks before it forwards: nginx, HAProxy, Caddy, Traefik, Envoy. It demands client_ip.trusted_proxies. Left out: there is none."`
	Refusal        Refusal  `yaml:"refusal" doc:"What a refused buyer is told."`
	Admin          Admin    `yaml:"admin" doc:"The port for operators: metrics, health and console."`
	Replica        string   `yaml:"replica" format:"replica" example:"gate-1" doc:"Name of this replica among those of the fleet, in the evidence and its signatures. Left out: the machine's host name."`
	Evidence       Evidence `yaml:"evidence" doc:"The tamper-evident record of decisions."`
	Redis          Redis    `yaml:"redis" doc:"What the replicas of one gateway share. Left out: this gateway does all of its job alone."`
	Tracing        Tracing  `yaml:"tracing" doc:"Traces of requests, told to an OpenTelemetry collector. Left out: nothing is traced."`
	Limits         Limits   `yaml:"limits" doc:"What a client may ask of the gateway."`
	Shutdown       Shutdown `yaml:"shutdown" doc:"How the gateway stops when it is told to."`
	Log            Log      `yaml:"log" doc:"The gateway's own log, on standard error."`

	file     string
	places   map[any]Problem
	warnings []Problem
}

// TLS is the gateway's own certificate. Both files are set, or neither; neither with ACME.
type TLS struct {
	CertFile string `yaml:"cert_file" format:"file" example:"tls.crt" doc:"Certificate chain, PEM, leaf first."`
	KeyFile  string `yaml:"key_file" format:"file" example:"tls.key" doc:"Private key of the certificate, PEM."`
	ACME     ACME   `yaml:"acme" doc:"Has certificates issued for the hosts that routes name, and renewed, instead of the files."`
}

// On reports whether the public listener speaks TLS.
func (t *TLS) On() bool { return t.CertFile != "" || t.ACME.On() }

// ACME is where certificates are issued (RFC 8555). None are if Email is empty.
type ACME struct {
	Email        string   `yaml:"email" format:"email" required:"true" example:"webmaster@shop.example" doc:"Whom the authority writes to about its certificates. To name it is to accept the authority's terms of service."`
	DirectoryURL *url.URL `yaml:"directory_url" format:"url" default:"https://acme-v02.api.letsencrypt.org/directory" doc:"Directory of the certificate authority. It must reach the gateway on port 443 of every host (tls-alpn-01, RFC 8737)."`
	CAFile       string   `yaml:"ca_file" format:"file" example:"authority.pem" doc:"Certificates that the authority's own server is verified against, PEM. Left out: the system's."`
	Dir          string   `yaml:"dir" format:"file" default:"acme" doc:"Folder of account, keys and certificates, made if it is not there. With redis it has a copy of the certificates alone, for a start without Redis."`
	SecretFile   string   `yaml:"secret_file" format:"file" example:"acme.secret" doc:"File with a secret by which all that is kept in Redis is encrypted, the same on every replica. It must not be readable by everyone."`

	Secret Secret
}

// On reports whether certificates are issued.
func (a *ACME) On() bool { return a.Email != "" }

// ClientIP says whom the gateway believes about the buyer's address.
type ClientIP struct {
	TrustedProxies []netip.Prefix `yaml:"trusted_proxies" format:"network" example:"[10.0.0.0/8]" doc:"Networks and addresses of the proxies in front whose header is believed. Empty: the connection's address is the buyer's."`
	Header         string         `yaml:"header" format:"header" default:"X-Forwarded-For" doc:"Header in which trusted proxies report the buyer: X-Forwarded-For, Forwarded, or one that carries a single address, such as CF-Connecting-IP."`
	ProxyProtocol  []netip.Prefix `yaml:"proxy_protocol" format:"network" example:"[10.0.0.0/8]" doc:"Networks and addresses of the peers whose connections begin with PROXY protocol v1 or v2."`
}

// Route sends the requests for some hosts to some upstreams.
type Route struct {
	Name           string        `yaml:"name" format:"name" example:"shop" doc:"Name of the route in metrics and logs. Left out: its first host."`
	Hosts          []string      `yaml:"hosts" format:"host" required:"true" example:"[shop.example]" doc:"Host names without a port; *.shop.example for all names below it; * for any host."`
	Upstreams      []*url.URL    `yaml:"upstreams" format:"upstream" required:"true" example:"[\"http://10.0.0.5:3000\"]" doc:"Servers that share the requests, each scheme://host:port and no path: a request's own path is forwarded as it came."`
	ConnectTimeout time.Duration `yaml:"connect_timeout" format:"duration" default:"5s" min:"1ms" doc:"Longest wait for a connection to an upstream, TLS handshake included."`
	HeaderTimeout  time.Duration `yaml:"header_timeout" format:"duration" default:"60s" min:"1ms" doc:"Longest wait for an upstream's response header after the request was sent."`
	IdleTimeout    time.Duration `yaml:"idle_timeout" format:"duration" default:"4s" min:"1ms" doc:"How long an unused connection to an upstream stays open. It must be shorter than the upstream's own keep-alive, which is 5s with Node, or else a POST can meet a connection that is being closed."`
	CAFile         string        `yaml:"ca_file" format:"file" example:"upstream-ca.pem" doc:"Certificates that https upstreams are verified against, PEM. Left out: the system's."`
}

// GeoIP says how an address becomes a country.
type GeoIP struct {
	Databases []string                `yaml:"databases" format:"file" example:"[GeoLite2-Country.mmdb]" doc:"MaxMind databases, asked in this order. They are watched. Left out: the embedded database."`
	Fields    []string                `yaml:"fields" format:"field" example:"[country, registered_country]" doc:"What of a database's records names a country, each a source of its own: country (where the address is used), registered_country (where its owner has registered it), represented_country (whose embassy or military base uses it). Left out: country."`
	Decide    string                  `yaml:"decide" enum:"first|any" default:"first" doc:"Whose answer counts: the first source's that has one, database by database and of each in the order of fields, or any: a country counts if any source names it."`
	Header    string                  `yaml:"header" format:"header" example:"CF-IPCountry" doc:"Header in which client_ip.trusted_proxies name the buyer's country, such as CF-IPCountry of Cloudflare or CloudFront-Viewer-Country: one more source, which can only add a country. It needs decide: any. Left out: no such header is looked at."`
	Overrides map[netip.Prefix]string `yaml:"overrides" key:"network" format:"place" example:"{203.0.113.0/24: US}" doc:"Networks whose country, or subdivision such as UA-43, is known better: stronger than any other source, and than private_networks in the policy."`
	Anonymous string                  `yaml:"anonymous" format:"file" example:"GeoIP2-Anonymous-IP.mmdb" doc:"MaxMind Anonymous IP or Anonymous Plus database, for the policy's anonymized."`
	MaxAge    time.Duration           `yaml:"max_age" format:"duration" default:"60d" min:"1ms" doc:"Age from which a database counts as stale, for the policy's stale_database."`
	Update    Update                  `yaml:"update" doc:"Has databases fetched from MaxMind, and kept current. Left out: they are for the operator to replace."`
}

// Forward is the port that a proxy in front asks whether a request may pass. There is none if Listen is empty.
type Forward struct {
	Listen string `yaml:"listen" format:"listen" example:"127.0.0.1:9452" doc:"Address of the port, host:port. What it is told of a request is believed from client_ip.trusted_proxies only."`
}

// Update is how databases are kept current. Nothing is fetched if Editions is empty.
type Update struct {
	AccountID      string        `yaml:"account_id" format:"account" required:"true" example:"123456" doc:"Account ID at MaxMind."`
	LicenseKeyFile string        `yaml:"license_key_file" format:"file" required:"true" example:"maxmind.key" doc:"File with a license key of that account. It must not be readable by everyone."`
	Editions       []string      `yaml:"editions" format:"edition" required:"true" example:"[GeoLite2-Country]" doc:"MaxMind's names of the databases to fetch. Each becomes EDITION.mmdb in dir; databases and anonymous name which are asked."`
	Dir            string        `yaml:"dir" format:"file" default:"." doc:"Folder of the fetched databases, which the gateway must be able to write to. A dot is the folder of this file."`
	Every          time.Duration `yaml:"every" format:"duration" default:"24h" min:"1h" doc:"How often to ask for a newer database, give or take a tenth."`
	URL            *url.URL      `yaml:"url" format:"url" default:"https://download.maxmind.com" doc:"Server to ask: MaxMind's, or a mirror that answers alike. Only one on this machine may do without https."`

	LicenseKey Secret
}

// On reports whether databases are fetched.
func (u *Update) On() bool { return len(u.Editions) > 0 }

// Refusal is what a refused buyer is told beside the refusal itself. What the files hold is for the gateway to check.
type Refusal struct {
	BlockedBy    *url.URL          `yaml:"blocked_by" format:"url" example:"https://shop.example/legal" doc:"Page that names who blocks, sent as Link: <...>; rel=\"blocked-by\" (RFC 7725 section 4)."`
	Name         string            `yaml:"name" format:"text" example:"Example Shop" doc:"The shop's name, at the head of the page."`
	Logo         string            `yaml:"logo" format:"file" example:"logo.svg" doc:"Picture in place of the name, SVG, PNG or JPEG. It becomes a part of the page, which loads nothing."`
	LogoDark     string            `yaml:"logo_dark" format:"file" example:"logo-dark.svg" doc:"The logo for dark screens. Left out: the logo, on a light ground."`
	Colors       Colors            `yaml:"colors" doc:"Colors of the page on light screens. Text and accent need a contrast of 4.5 to the background."`
	DarkColors   DarkColors        `yaml:"dark_colors" doc:"Colors of the page on dark screens."`
	Contact      string            `yaml:"contact" format:"text" example:"compliance@shop.example" doc:"Who answers questions: an e-mail address, a web address, or words."`
	Alternatives []Alternative     `yaml:"alternatives" example:"[{title: Other products, url: \"https://shop.example/alternatives\"}]" doc:"What a buyer can have instead, up to eight links."`
	Language     string            `yaml:"language" format:"language" default:"en" doc:"Language for buyers who ask for none that there is."`
	Messages     map[string]string `yaml:"messages" key:"language" format:"file" example:"{de: messages/de.yaml}" doc:"Files with messages, by language. They replace those of the program, or add a language."`
	Template     string            `yaml:"template" format:"file" example:"refusal.html" doc:"A page of your own, in the language of Go's html/template."`

	PreviewTokenFile string `yaml:"preview_token_file" format:"file" example:"preview.token" doc:"File with the token, of 32 characters or more, with which an auditor sees the refusal as a buyer of another country or at another instant. It must not be readable by everyone. Left out: nobody does."`
	PreviewToken     Secret
}

// Colors are those of a page on light screens.
type Colors struct {
	Background string `yaml:"background" format:"color" default:"#ffffff" doc:"Color behind the text."`
	Text       string `yaml:"text" format:"color" default:"#1b1f24" doc:"Color of the text."`
	Accent     string `yaml:"accent" format:"color" default:"#0a5bd3" doc:"Color of links and of the line above the page."`
}

// DarkColors are those of a page on dark screens.
type DarkColors struct {
	Background string `yaml:"background" format:"color" default:"#14171b" doc:"Color behind the text."`
	Text       string `yaml:"text" format:"color" default:"#e8eaed" doc:"Color of the text."`
	Accent     string `yaml:"accent" format:"color" default:"#8ab4f8" doc:"Color of links and of the line above the page."`
}

// Alternative is something that a buyer can have instead.
type Alternative struct {
	Title string   `yaml:"title" format:"text" required:"true" example:"Other products" doc:"What the link says."`
	URL   *url.URL `yaml:"url" format:"url" required:"true" example:"https://shop.example/alternatives" doc:"Where it leads."`
}

// Admin is the port for operators. Token is what TokenFile holds, and empty only where Listen is a
// loopback address.
type Admin struct {
	Listen    string `yaml:"listen" format:"listen" default:"127.0.0.1:9451" doc:"Address of the admin port. Any but a loopback address demands a token_file."`
	TokenFile string `yaml:"token_file" format:"file" example:"admin.token" doc:"File with the token that operators present. It must not be readable by everyone."`

	Token Secret
}

// Evidence is the tamper-evident record of decisions. None is kept if Dir is empty.
type Evidence struct {
	Dir           string        `yaml:"dir" format:"file" example:"evidence" doc:"Folder of the record, made if it is not there; one process writes to it. Left out: no record is kept."`
	Durability    string        `yaml:"durability" enum:"strict|best_effort" default:"strict" doc:"strict: a governed request is answered when its record is on disk, and 503 if it cannot be. best_effort: it is answered at once, and what could not be recorded is counted."`
	Allows        string        `yaml:"allows" enum:"all|governed_country|none" default:"all" doc:"Which allowed requests are recorded: all governed ones, those from countries that a rule of their activity lists, or none. Blocks, exemptions and what shadow rules would block always are."`
	Client        string        `yaml:"client" enum:"truncated|hmac|full" default:"truncated" doc:"How a buyer's address is recorded: its /24 or /48, a keyed hash that is the same for a day, or in full."`
	ClientKeyFile string        `yaml:"client_key_file" format:"file" example:"client.key" doc:"Key of client: hmac, made at the first start. Left out: client.key in the folder. Without it, nobody can tell which addresses were recorded."`
	SignKeyFile   string        `yaml:"sign_key_file" format:"file" example:"/etc/gate451/sign.key" doc:"Ed25519 key that signs checkpoints, made at the first start. Left out: sign.key in the folder."`
	SegmentSize   int64         `yaml:"segment_size" format:"size" default:"64MiB" min:"64KiB" doc:"Size at which a segment is closed, compressed, and followed by a new one. One is also closed at the end of each day (UTC)."`
	Retention     time.Duration `yaml:"retention" format:"duration" default:"0s" doc:"Age at which a segment is deleted; its hashes stay, so that the rest still verifies. 0s keeps all."`
}

// Redis is what the replicas of one gateway share. None is used if Addrs is empty.
type Redis struct {
	Addrs                []string      `yaml:"addrs" format:"address" example:"[\"127.0.0.1:6379\"]" doc:"Redis servers, host:port: one, or several of a cluster, or with master_name its sentinels."`
	MasterName           string        `yaml:"master_name" format:"replica" example:"gate451" doc:"Name under which the sentinels at addrs know the master."`
	Username             string        `yaml:"username" format:"word" example:"gate451" doc:"ACL user."`
	PasswordFile         string        `yaml:"password_file" format:"file" example:"redis.password" doc:"File with the user's password. It must not be readable by everyone."`
	SentinelUsername     string        `yaml:"sentinel_username" format:"word" example:"gate451" doc:"ACL user of the sentinels."`
	SentinelPasswordFile string        `yaml:"sentinel_password_file" format:"file" example:"sentinel.password" doc:"File with the password for the sentinels."`
	TLS                  RedisTLS      `yaml:"tls" doc:"TLS towards Redis."`
	KeyPrefix            string        `yaml:"key_prefix" format:"replica" default:"gate451" doc:"Beginning of all keys; another one is another fleet."`
	Timeout              time.Duration `yaml:"timeout" format:"duration" default:"100ms" min:"1ms" doc:"Longest wait for one command. No request ever waits for Redis."`
	StateFile            string        `yaml:"state_file" format:"file" default:"fleet.state" doc:"File in which the fleet's last good policy is kept, for a start without Redis."`
	StreamLines          int           `yaml:"stream_lines" format:"count" default:"0" doc:"Most lines of evidence that wait in Redis until gate451 evidence collect has fetched them; 0 sends none there."`

	Password         Secret
	SentinelPassword Secret
}

// RedisTLS is TLS towards Redis.
type RedisTLS struct {
	Enabled    bool   `yaml:"enabled" format:"switch" default:"false" doc:"Whether connections to Redis use TLS. Any other key here has them do so as well."`
	CAFile     string `yaml:"ca_file" format:"file" example:"redis-ca.pem" doc:"Certificates that Redis is verified against, PEM. Left out: the system's."`
	CertFile   string `yaml:"cert_file" format:"file" example:"redis.crt" doc:"Certificate that the gateway presents, PEM."`
	KeyFile    string `yaml:"key_file" format:"file" example:"redis.key" doc:"Private key of that certificate, PEM."`
	ServerName string `yaml:"server_name" format:"word" example:"redis.internal" doc:"Name that Redis' certificate is verified for. Left out: the host of the address."`
}

// On reports whether connections use TLS.
func (t *RedisTLS) On() bool {
	return t.Enabled || t.CAFile != "" || t.CertFile != "" || t.ServerName != ""
}

// Tracing says where traces of requests go. Nothing is traced if Endpoint is nil.
type Tracing struct {
	Endpoint *url.URL `yaml:"endpoint" format:"url" example:"http://127.0.0.1:4318" doc:"Collector that takes OTLP over HTTP. Without a path, /v1/traces is asked. Left out: nothing is traced."`
	Sample   float64  `yaml:"sample" format:"share" default:"0.01" doc:"Share of the requests that are traced, 0 to 1. Where a trusted proxy says in traceparent whether it traces a request, that counts."`
}

// Limits bound what a client may ask of the gateway.
type Limits struct {
	HeaderBytes   int64         `yaml:"header_bytes" format:"size" default:"32KiB" min:"4KiB" doc:"Largest request line and header together."`
	HeaderTimeout time.Duration `yaml:"header_timeout" format:"duration" default:"10s" min:"1ms" doc:"Longest time a client may take to send its header."`
	IdleTimeout   time.Duration `yaml:"idle_timeout" format:"duration" default:"120s" min:"1ms" doc:"How long a client's unused connection stays open."`
	BodyBytes     int64         `yaml:"body_bytes" format:"size" default:"0" doc:"Largest request body; 0 sets no limit."`
	ReadBytes     int64         `yaml:"read_bytes" format:"size" default:"256KiB" min:"1KiB" doc:"Most of a body that is read to find out which product it names, as sent and as decoded. A larger one is an undetermined product. Bodies are read only where a rule needs it."`
	HTTP2Streams  int           `yaml:"http2_streams" format:"count" default:"100" min:"1" doc:"Most requests that one HTTP/2 connection may have under way."`
	Connections   int           `yaml:"connections_per_address" format:"count" default:"0" doc:"Most connections that one address may have open, or one /64 of IPv6; 0 sets no limit. Trusted proxies may have any number."`
}

// Shutdown says how the gateway stops. Requests are served during Delay, with /readyz already failing,
// and then have Timeout to finish.
type Shutdown struct {
	Delay   time.Duration `yaml:"delay" format:"duration" default:"0s" doc:"How long /readyz fails before the gateway stops accepting, so that balancers notice."`
	Timeout time.Duration `yaml:"timeout" format:"duration" default:"60s" min:"1ms" doc:"How long running requests may then take to finish."`
}

// Log is the gateway's own log.
type Log struct {
	Level  slog.Level `yaml:"level" format:"level" enum:"debug|info|warn|error" default:"info" doc:"Least severe message to log."`
	Format string     `yaml:"format" enum:"json|text" default:"json" doc:"How messages are written."`
}

// Warnings returns what is allowed but certainly not what the operator meant, in the order of the file.
func (c *Config) Warnings() []Problem { return c.warnings }

// Problem places a message at the value that field points to, for what only a caller can judge, such as
// a policy file that does not load. The field is a pointer into c (&c.Policy, &c.Routes[0].CAFile), or a
// key of c.GeoIP.Overrides or of c.Refusal.Messages. A value that nobody wrote is placed at the file as a whole.
func (c *Config) Problem(field any, message string) Problem {
	return placed(c.places, c.file, message, field)
}
