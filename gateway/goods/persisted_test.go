package goods

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"gate451/rules"
)

// sold is a document by which something is bought, and soldHash its digest as sha256sum prints it.
const (
	sold     = `mutation($id:ID!){addItemToOrder(productVariantId:$id){id}}`
	soldHash = "4dde9ac63087a07425bc6e65665ad6e5f7676de4f63053415db386e0b886fc74"
)

// named is what a request says beside its document, or instead of it.
func named(hash string) string {
	return `"extensions":{"persistedQuery":{"version":1,"sha256Hash":"` + hash + `"}}`
}

func hashOf(document string) string {
	sum := sha256.Sum256([]byte(document))
	return hex.EncodeToString(sum[:])
}

// seeker reads requests that all see the same documents.
type seeker struct {
	t         *testing.T
	documents *Documents
}

func (s seeker) read(r *http.Request) rules.Carried {
	s.t.Helper()
	return Read(nil, r, nil, []*rules.Carrier{carrier("node", addItem)}, Options{Documents: s.documents})[0]
}

func (s seeker) send(body string) rules.Carried {
	s.t.Helper()
	return s.read(post("/", "application/json", body))
}

// checkUnsent fails unless the request is said to lack nothing but a document.
func (s seeker) checkUnsent(got rules.Carried, unsent bool) {
	s.t.Helper()
	check(s.t, got, true, true, got.IDs...)
	if got.Unsent != unsent || unsent && len(got.IDs) > 0 {
		s.t.Errorf("got %+v, want Unsent %v", got, unsent)
	}
}

// TestPersistedQueries registers a document as clients do, and buys by its digest alone.
func TestPersistedQueries(t *testing.T) {
	t.Parallel()
	s := seeker{t, NewDocuments()}
	alone := func(id, hash string) string { return `{"variables":{"id":"` + id + `"},` + named(hash) + `}` }
	s.checkUnsent(s.send(alone("7", soldHash)), true)
	// A document under the digest of another one is not believed.
	s.checkUnsent(s.send(`{"query":"{x}",`+named(soldHash)+`}`), false)
	s.checkUnsent(s.send(`{"query":"PersistedQueryMarker",`+named(soldHash)+`}`), false)
	s.checkUnsent(s.send(alone("7", soldHash)), true)

	registration := strings.TrimSuffix(graphqlBody(sold, `{"id":1}`, ""), "}") + "," + named(soldHash) + "}"
	check(t, s.send(registration), true, false, "1")
	for _, hash := range []string{soldHash, strings.ToUpper(soldHash), ` ` + soldHash + `\n`, `\u0034` + soldHash[1:]} {
		check(t, s.send(alone("7", hash)), true, false, "7")
	}
	// The shop may run the other document of the two: both are read.
	check(t, s.send(`{"query":"{x}","variables":{"id":7},`+named(soldHash)+`}`), true, false, "7")
	check(t, s.send(`{"query":"","variables":{"id":7},`+named(soldHash)+`}`), true, false, "7")
	check(t, s.send(fmt.Sprintf(`[{"variables":{"id":7},%s},{"variables":{"id":8},%s}]`, named(soldHash), named("ab"))), true, true, "7")

	if got := (seeker{t, nil}).send(registration); got.Undetermined || len(got.IDs) != 1 {
		t.Errorf("where none are kept, a document beside its digest gives %+v", got)
	}
	(seeker{t, nil}).checkUnsent((seeker{t, nil}).send(alone("7", soldHash)), true)
}

// TestUnsentDocuments has the spellings of a digest alone, of which some ask for nothing but the document.
func TestUnsentDocuments(t *testing.T) {
	t.Parallel()
	extension := url.QueryEscape(`{"persistedQuery":{"version":1,"sha256Hash":"` + soldHash + `"}}`)
	for name, tt := range map[string]struct {
		r      *http.Request
		unsent bool
	}{
		"JSON":               {post("/", "application/json", "{"+named(soldHash)+"}"), true},
		"in capitals":        {post("/", "application/json", "{"+named(strings.ToUpper(soldHash))+"}"), true},
		"of no length":       {post("/", "application/json", "{"+named("abc")+"}"), true},
		"no document":        {post("/", "application/json", `{"query":null,`+named(soldHash)+"}"), true},
		"a blank document":   {post("/", "application/json", `{"query":" ",`+named(soldHash)+"}"), true},
		"compressed":         {encoded("gzip", "gzip", []byte("{"+named(soldHash)+"}")), true},
		"a list of one":      {post("/", "application/json", `{"extensions":{"persistedQuery":{"version":1,"sha256Hash":["`+soldHash+`"]}}}`), true},
		"JSON within JSON":   {post("/", "application/json", `{"extensions":"{\"persistedQuery\":{\"version\":1,\"sha256Hash\":\"`+soldHash+`\"}}"}`), true},
		"the query":          {post("/?extensions="+extension, "", ""), true},
		"beside a body":      {post("/?extensions="+extension, "application/json", "{}"), true},
		"an empty body":      {post("/?extensions="+extension, "application/graphql", ""), true},
		"a form":             {post("/", form, "extensions="+extension), true},
		"a form's fields":    {post("/", form, "extensions[persistedQuery][version]=1&extensions[persistedQuery][sha256Hash]="+soldHash), true},
		"parts":              {post("/", "multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=operations\r\n\r\n{"+named(soldHash)+"}\r\n--b--\r\n"), true},
		"another version":    {post("/", "application/json", strings.Replace("{"+named(soldHash)+"}", ":1", ":2", 1)), false},
		"a version in words": {post("/", "application/json", strings.Replace("{"+named(soldHash)+"}", ":1", `:"one"`, 1)), false},
		"no version":         {post("/", "application/json", strings.Replace("{"+named(soldHash)+"}", `"version":1,`, "", 1)), false},
		"a batch of one":     {post("/", "application/json", "[{"+named(soldHash)+"}]"), false},
		"by another name":    {post("/", "application/json", `{"documentId":"7",`+named(soldHash)+"}"), false},
		"beside a document":  {post("/", "application/json", `{"query":"{x}",`+named(soldHash)+"}"), false},
		"of an odd type":     {post("/", "text/plain", "{"+named(soldHash)+"}"), false},
		"cut off":            {post("/", "application/json", "{"+named(soldHash)), false},
	} {
		got := (seeker{t, NewDocuments()}).read(tt.r)
		if got.Unsent != tt.unsent || !got.Undetermined || !got.Present || len(got.IDs) > 0 {
			t.Errorf("%s: got %+v, want Unsent %v", name, got, tt.unsent)
		}
	}
}

// TestUnsentBesideOthers: what was found beside the missing document outweighs that it is missing.
func TestUnsentBesideOthers(t *testing.T) {
	t.Parallel()
	for query, unsent := range map[string]bool{"": true, "?id=7": false} {
		c := carrier("node", addItem, "query id")
		got := Read(nil, post("/"+query, "application/json", "{"+named(soldHash)+"}"), nil, []*rules.Carrier{c}, Options{})[0]
		if got.Unsent != unsent || !got.Undetermined {
			t.Errorf("%q: got %+v, want Unsent %v", query, got, unsent)
		}
	}
	c := carrier("node", addItem)
	c.Where = []rules.Condition{{In: rules.InQuery, Name: "buy"}}
	for query, want := range map[string]bool{"": false, "?buy": true} {
		got := Read(nil, post("/"+query, "application/json", "{"+named(soldHash)+"}"), nil, []*rules.Carrier{c}, Options{})[0]
		if got.Unsent != want || got.Undetermined != want {
			t.Errorf("%q: got %+v, want Unsent %v", query, got, want)
		}
	}
}

// TestHashingHasABound: documents beside digests are looked at only up to a size, however often they are there.
func TestHashingHasABound(t *testing.T) {
	t.Parallel()
	target := "/?query=" + strings.Repeat("x", 30<<10) + "&extensions=" + url.QueryEscape(`{"persistedQuery":{"sha256Hash":"ab"}}`)
	s := seeker{t, NewDocuments()}
	s.checkUnsent(s.read(post(target, "application/json", "["+strings.Repeat("{},", 90)+"{}]")), false)
	check(t, s.read(post("/", "application/json", "["+strings.Repeat("{},", mostBatch-1)+"{}]")), false, false)
	check(t, s.read(post("/", "application/json", "["+strings.Repeat("{},", mostBatch)+"{}]")), true, true)
}

// TestDocumentsForget fills the documents beyond each bound.
func TestDocumentsForget(t *testing.T) {
	t.Parallel()
	add := func(d *Documents, document string) digest {
		sum := digest(sha256.Sum256([]byte(document)))
		d.add(sum, document)
		return sum
	}
	d := NewDocuments()
	first, second := add(d, "first"), add(d, "second")
	for i := range mostStored - 2 {
		add(d, fmt.Sprint(i))
	}
	if document, ok := d.find(first); !ok || document != "first" {
		t.Errorf("among %d documents the first is %q, %v", d.recent.Len(), document, ok)
	}
	add(d, "one too many")
	if _, ok := d.find(first); !ok {
		t.Error("the document that was used last but one is forgotten")
	}
	if _, ok := d.find(second); ok || d.recent.Len() != mostStored {
		t.Errorf("%d documents are known, and among them the least recently used", d.recent.Len())
	}
	add(d, "first") // again
	if d.recent.Len() != mostStored {
		t.Errorf("%d documents are known after one came twice", d.recent.Len())
	}

	d = NewDocuments()
	longest := strings.Repeat("x", mostStoredOne-8)
	if _, ok := d.find(add(d, longest+"and nine.")); ok {
		t.Error("a document that is too long is known")
	}
	for i := range mostStoredBytes/mostStoredOne + 1 {
		add(d, fmt.Sprintf("%s%8d", longest, i))
	}
	if d.bytes != mostStoredBytes || d.recent.Len() != mostStoredBytes/mostStoredOne || len(d.known) != d.recent.Len() {
		t.Errorf("%d documents of %d bytes are known", d.recent.Len(), d.bytes)
	}
}

// TestDocumentsOfMany has many goroutines add and find at once, the race detector being the judge, and each find what it
// asks for or nothing.
func TestDocumentsOfMany(t *testing.T) {
	t.Parallel()
	d := NewDocuments()
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			random := rand.New(rand.NewPCG(uint64(n), 451))
			for range 3000 {
				document := strings.Repeat("x", 2000) + fmt.Sprint(random.IntN(2*mostStored))
				sum := digest(sha256.Sum256([]byte(document)))
				if random.IntN(2) == 0 {
					d.add(sum, document)
				} else if found, ok := d.find(sum); ok && found != document {
					t.Errorf("%.20s… stands for %.20s…", document, found)
				}
			}
		})
	}
	all.Wait()
	bytes := 0
	for at := d.recent.Front(); at != nil; at = at.Next() {
		bytes += len(at.Value.(stored).document)
	}
	if bytes != d.bytes || bytes > mostStoredBytes || d.recent.Len() != len(d.known) {
		t.Errorf("%d bytes are known and %d counted, in %d and %d documents", bytes, d.bytes, d.recent.Len(), len(d.known))
	}
}
