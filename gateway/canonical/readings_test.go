package canonical

import (
	"slices"
	"strings"
	"testing"
)

func TestReadings(t *testing.T) {
	t.Parallel()
	for target, want := range map[string][]string{
		// One reading.
		"/":                             {"/"},
		"/cart":                         {"/cart"},
		"/Cart/?x=/buy&y=%zz":           {"/Cart/"},
		"/product/a-b_c~d!$&'()*+,=:@|": {"/product/a-b_c~d!$&'()*+,=:@|"},
		"/.well-known/security":         {"/.well-known/security"},
		"/..about":                      {"/..about"},
		"/a%20b":                        {"/a b"},
		"/c%61rt":                       {"/cart"},
		"/%E5%95%86%E5%93%81":           {"/商品"},
		"/product-100%25-pure":          {"/product-100%-pure"},
		"http://shop.example/cart?x":    {"/cart"},
		"HTTPS://SHOP.EXAMPLE:443?x":    {"/"},

		// Extensions and front controllers.
		"/cart.json":         {"/cart.json", "/cart"},
		"/cart.min.js":       {"/cart.min.js", "/cart.min", "/cart"},
		"/cart.1/":           {"/cart.1/", "/cart/"},
		"/cart.php/add":      {"/cart.php/add", "/cart/add", "/add"},
		"/v1.0/cart":         {"/v1.0/cart"},
		"/index.php":         {"/index.php", "/", "/index"},
		"/index.php/cart":    {"/index.php/cart", "/index/cart", "/cart"},
		"/de/INDEX.php/cart": {"/de/INDEX.php/cart", "/de/INDEX/cart", "/de/cart", "/cart"},
		"/(S(3d4x))/cart":    {"/(S(3d4x))/cart", "/cart"},
		"/(a)/cart":          {"/(a)/cart"},
		"/de/a.php7/cart":    {"/de/a.php7/cart", "/de/a/cart", "/cart", "/de/a.php/7/cart", "/de/a/7/cart", "/7/cart"},
		"/de/a.phpx/cart":    {"/de/a.phpx/cart", "/de/a/cart", "/de/a.php/x/cart", "/de/a/x/cart", "/x/cart"},
		"/index.phpcart":     {"/index.phpcart", "/index", "/", "/index.php/cart", "/index/cart", "/cart"},
		"/x.PHPcart/b":       {"/x.PHPcart/b", "/x/b", "/x.PHP/cart/b", "/x/cart/b", "/cart/b"},
		"/index.php/a.PHP/x": {
			"/index.php/a.PHP/x", "/index/a.PHP/x", "/index.php/a/x", "/index/a/x", "/a.PHP/x", "/a/x", "/x",
		},
		"/app_dev.php/x":       {"/app_dev.php/x", "/app_dev/x", "/x"},
		"/default.2/x":         {"/default.2/x"},
		"/cart::$DATA":         {"/cart::$DATA", "/cart"},
		"/cart:$i30:$INDEX/ab": {"/cart:$i30:$INDEX/ab", "/cart/ab"},

		// Slashes.
		"/a//b":      {"/a//b", "/a/b"},
		"//x/cart":   {"//x/cart", "/x/cart", "/cart"},
		"///x":       {"///x", "/x", "/"},
		`/x\cart`:    {`/x\cart`, "/x/cart"},
		"/a%2fb":     {"/a/b", "/a%2fb"},
		"/a%5Cb":     {`/a\b`, "/a%5Cb", "/a/b"},
		"/a%252fb":   {"/a%2fb", "/a/b"},
		`/\x/cart`:   {`/\x/cart`, "//x/cart", "/x/cart", "/cart"},
		"/%2fx/cart": {"//x/cart", "/%2fx/cart", "/x/cart", "/cart"},

		// Dot segments.
		"/x/../cart":     {"/x/../cart", "/cart"},
		"/cart/..":       {"/cart/..", "/"},
		"/./cart/.":      {"/./cart/.", "/cart/"},
		"/x/%2e%2E/cart": {"/x/../cart", "/cart"},
		"/a//../cart":    {"/a//../cart", "/a/../cart", "/a/cart", "/cart"},

		// Parameters.
		"/v;param=1":    {"/v;param=1", "/v"},
		"/cart;x/add":   {"/cart;x/add", "/cart/add", "/cart"},
		"/x/..;/cart":   {"/x/..;/cart", "/x/../cart", "/x/..", "/cart", "/"},
		"/cart%3bx/add": {"/cart;x/add", "/cart/add", "/cart"},
		"/a;b%2f../cart": {
			"/a;b/../cart", "/a/../cart", "/a/cart", "/cart", "/a", "/a;b/cart", // by those who decode first, or split first
			"/a;b%2f../cart", "/a;b%2f/cart", "/a;b//cart", "/a//cart", // by those who trim the segment with the slash in it
		},
		"/cart%3Fx/%23y/..":   {"/cart?x/#y/..", "/cart?x/", "/cart"},
		"/%3Fadd-to-cart=11":  {"/?add-to-cart=11", "/"},
		"/cart%2523/fragment": {"/cart%23/fragment", "/cart#/fragment", "/cart"},

		// Blanks and dots about a name.
		"/cart%20/x":     {"/cart /x", "/cart/x"},
		"/%20cart":       {"/ cart", "/cart"},
		"/cart../":       {"/cart../", "/cart/"},
		"/cart+":         {"/cart+", "/cart ", "/cart"},
		"/+cart/a+b":     {"/+cart/a+b", "/ cart/a b", "/cart/a b"},
		"/cart%2B/x":     {"/cart+/x", "/cart /x", "/cart/x"},
		"/cart+.js":      {"/cart+.js", "/cart .js", "/cart+", "/cart ", "/cart"},
		"/x/..%20/cart":  {"/x/.. /cart", "/x/../cart", "/cart", "/x//cart", "/x/cart"},
		"/cart%C2%A0":    {"/cart\u00a0", "/cart ", "/cart"},
		"/cart%E2%80%8B": {"/cart\u200b", "/cart"},
		"/ma%C3%9Fe":     {"/maße", "/mase", "/masse"},
		"/cart%A0":       {"/cart\xa0", "/cart ", "/cart"},

		// Encoded again, and likenesses.
		"/%2563art":          {"/%63art", "/cart"},
		"/%25252563":         {"/%252563", "/%2563", "/%63", "/c"},
		"/caf%C3%A9":         {"/café", "/cafe"},
		"/cafe%CC%81":        {"/cafe\u0301", "/café", "/cafe"},
		"/%EF%BD%83art":      {"/ｃart", "/cart"},
		"/x%EF%BC%8Fcart":    {"/x／cart", "/x/cart"},
		"/x%E2%88%95cart":    {"/x∕cart", "/x/cart"},
		"/%EF%BC%8563art":    {"/％63art", "/%63art", "/cart"},
		"/k%C3%B8b":          {"/køb", "/kob"},
		"/%E9t%E9":           {"/\xe9t\xe9"},
		"/chec%E2%84%AAout":  {"/chec\u212aout", "/checKout"},
		"/x/%E2%80%A4./cart": {"/x/\u2024./cart", "/x/../cart", "/cart", "/x/\u2024/cart", "/x/./cart", "/x/cart"},
	} {
		got, err := read(target)
		if err != nil {
			t.Errorf("%s: %v", target, err)
			continue
		}
		if got[0] != want[0] {
			t.Errorf("%s: the plain reading is %q, want %q", target, got[0], want[0])
		}
		got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
		if !slices.Equal(got, want) {
			t.Errorf("%s: read as %q, want %q", target, got, want)
		}
	}
}

func TestHonestTargetsAreReadAndNotGoverned(t *testing.T) {
	t.Parallel()
	for _, target := range []string{
		"/cartoon", "/blog/cart", "/buyer-guide", "/..about", "/a%20b", "/%E2%82%AC", "/caf%C3%A9", "/v;param=1", "/a//b",
		"/.well-known/acme-challenge/x-Y_z", "/product-100%25-pure", "/search?q=/cart", "/x/../about", "/a%2fb",
		"/商品/カート.html", "/%D8%B3%D8%A8%D8%AF-%D8%AE%D8%B1%DB%8C%D8%AF/", "/%E0%B8%AA%E0%B8%B4%E0%B8%99%E0%B8%84%E0%B9%89%E0%B8%B2",
		"/%E0%A4%89%E0%A4%A4%E0%A5%8D%E0%A4%AA%E0%A4%BE%E0%A4%A6", "/Stra%C3%9Fe", "/na%EFve/%C0propos", "/5%25-off/50%25off/100%25ultra",
		"/page;jsessionid=0AAB6C8DE415.node1", "/@user/a:b,c'd(e)!~$&=+*", `/a|b"c<d>e^f` + "`{g}[h]", "/?", "/?x=%zz&y=<|>%",
		"/wp-content/plugins/woocommerce/assets/client/blocks/mini-cart-contents.css", "/npm/jquery@3.7.1/dist/jquery-3.7.1.min.js",
		"/debian/pool/main/l/linux/linux-image-6.1.0-18-amd64_6.1.76-1_amd64.deb", "/sites/www.shop.example/themes/x.min.css",
		"/web/2024/https://www.example.com/files/v1.min.css", "/go/http%3A%2F%2Fwww.example.com%2Fa.b%3Fc%3Dd%26e%3Df",
		"/redirect/https%253A%252F%252Fexample.com%252Fa%2520b", "/%C3%A2%C2%80%C2%99", "/images/IMG%20(1).JPG", "/(1)/x", "/shop/index.php/about",
		"/p%20q;jsessionid=1//x.html", "/a%20b;c=d/e%2Ff.g;h=i/%C3%A9/%3F.html", "/~user/cart", "/index.php?route=checkout/cart.add", "/-/merge_requests/1.diff",
		"/Pack%20%E2%80%93%20No.%205...", "/100%C2%B0C/%C2%BD", "/a/b/c/d/e/f/g.h/i.j/k.l/m", "/.hidden/file", "/x/...", "/a./b", "/a+b/c%2Bd",
		"/api/2025-01/graphql.json", "/image.jpg%20", "/%F0%9F%9B%92", "/%F0%90%8D%88", "/%E0%A0%80", "/?a=http://b//c/../d;e",
		"//cdn/x.js", "/my_cart", "/carts", "/buy-now", "/check-out", "/checkouts/1", "/x/cart/y", "/en/buy", "/%E3%82%AB%E3%83%BC%E3%83%88",
		"/" + strings.Repeat("%E3%81%82", 600), "/" + strings.Repeat("long-", 1600),
	} {
		paths, err := read(target)
		if err != nil {
			t.Errorf("%s: %v", target, err)
		} else if governed("shop.example", paths) {
			t.Errorf("%s: governed by one of %q", target, paths)
		}
	}
}

func TestShortWayAndClosureAgree(t *testing.T) {
	t.Parallel()
	for _, path := range []string{
		"/cart.json", "/a/b.c.d.e", "/index.php", "/shop/index.php", "/index.min.js", "/app.js", "/a-b_c.tar.gz", "/default.aspx.bak",
	} {
		short, ok := appendShorter(nil, path, oddIn(path))
		if !ok {
			t.Fatalf("%s: there is no short way", path)
		}
		all, err := appendClosure(nil, path, oddIn(path))
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(short[1:])
		slices.Sort(all[1:])
		if !slices.Equal(short, all) {
			t.Errorf("%s: the short way gives %q, the closure %q", path, short, all)
		}
	}
}
