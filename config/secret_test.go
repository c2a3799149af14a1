package config

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTheTokenIsReadFromItsFile(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, content string
		mode          os.FileMode
		token, err    string
		warning       string
	}{
		{name: "plain", content: "s3cret", mode: 0o600, token: "s3cret"},
		{name: "line", content: "s3cret\n", mode: 0o640, token: "s3cret"},
		{name: "windows", content: "s3cret\r\n", mode: 0o600, token: "s3cret"},
		{name: "open", content: "s3cret", mode: 0o644, token: "s3cret", warning: `token_file "FILE" can be read by everyone; take that away with chmod o-r`},
		{name: "empty", mode: 0o600, err: `token_file "FILE" is empty; write the token into it, such as openssl rand -hex 32 prints`},
		{name: "newline", content: "\n", mode: 0o600, err: `token_file "FILE" is empty; write the token into it, such as openssl rand -hex 32 prints`},
		{name: "lines", content: "a\n\n", mode: 0o600, err: `token_file "FILE" holds a space, line break or other character beside printable ASCII; write the token in one line`},
		{name: "spaces", content: "a b", mode: 0o600, err: `token_file "FILE" holds a space, line break or other character beside printable ASCII; write the token in one line`},
		{name: "large", content: strings.Repeat("a", maxSecret+1), mode: 0o600, err: `token_file "FILE" cannot be read: it has more than 4096 bytes; write the token into it, readable by the gateway alone`},
		{name: "missing", err: `token_file "FILE" cannot be read: no such file or directory; write the token into it, readable by the gateway alone`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			if test.mode != 0 {
				if err := os.WriteFile(filepath.Join(folder, "t"), []byte(test.content), test.mode); err != nil {
					t.Fatal(err)
				}
			}
			name := filepath.Join(folder, "gateway.yaml")
			place := name + ":4:15: "
			inFile := func(text string) string { return place + strings.ReplaceAll(text, "FILE", filepath.Join(folder, "t")) }
			// What show would cut off is not what this test is about.
			if len(folder) > longest-5 {
				t.Skip("the temporary folder's name is too long to be shown")
			}
			c, err := Parse(name, []byte(minimal+"admin:\n  token_file: t\n  listen: \":9451\"\n"), nil)
			if test.err != "" {
				if err == nil || err.Error() != inFile(test.err) {
					t.Fatalf("Parse: %v\nwant:  %s", err, inFile(test.err))
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if string(c.Admin.Token) != test.token {
				t.Errorf("token = %q, want %q", string(c.Admin.Token), test.token)
			}
			var want []Problem
			if test.warning != "" {
				want = []Problem{{}}
			}
			if got := c.Warnings(); len(got) != len(want) || len(got) == 1 && got[0].Error() != inFile(test.warning) {
				t.Errorf("warnings: %v, want %q", got, test.warning)
			}
		})
	}
}

func TestATokenForAuditorsCannotBeGuessed(t *testing.T) {
	t.Parallel()
	const long = "0123456789abcdef0123456789abcdef"
	for _, test := range []struct{ preview, admin, err string }{
		{long, "s3cret", ""},
		{long[1:], "s3cret", `:4:23: preview_token_file "FILE" holds 31 characters, which could be guessed; write 32 or more into it, such as openssl rand -hex 32 prints`},
		{long, long, ":4:23: refusal.preview_token_file and admin.token_file hold the same token, so that an auditor could do what operators can; write another into one of them"},
		{"", "s3cret", `:4:23: preview_token_file "FILE" is empty; write the token into it, such as openssl rand -hex 32 prints`},
	} {
		folder := t.TempDir()
		for name, content := range map[string]string{"p": test.preview, "a": test.admin} {
			if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if len(folder) > longest-5 {
			t.Skip("the temporary folder's name is too long to be shown")
		}
		name := filepath.Join(folder, "gateway.yaml")
		c, err := Parse(name, []byte(minimal+"refusal:\n  preview_token_file: p\nadmin:\n  token_file: a\n"), nil)
		switch want := name + strings.ReplaceAll(test.err, "FILE", filepath.Join(folder, "p")); {
		case test.err != "" && (err == nil || err.Error() != want):
			t.Errorf("Parse: %v\nwant:  %s", err, want)
		case test.err == "" && (err != nil || string(c.Refusal.PreviewToken) != long):
			t.Errorf("%v, %v", c, err)
		}
	}
}

func TestASecretIsNotShown(t *testing.T) {
	t.Parallel()
	admin := Admin{Token: "s3cret"}
	var text strings.Builder
	slog.New(slog.NewTextHandler(&text, nil)).Info("admin", "token", admin.Token, "admin", admin)
	encoded, err := json.Marshal(admin)
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{text.String(), string(encoded), fmt.Sprintf("%v %+v %#v %s %q", admin, admin, admin, admin.Token, admin.Token)} {
		if strings.Contains(shown, "s3cret") || !strings.Contains(shown, "(secret)") {
			t.Errorf("shown as %s", shown)
		}
	}
	if got := Secret("").String(); got != "" {
		t.Errorf("no secret is shown as %q", got)
	}
}
