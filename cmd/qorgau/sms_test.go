package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/qorgau/qorgau/api"
	"github.com/qorgau/qorgau/pkg/client"
)

// Whoever runs the server prints a sheet beside it, once a coordinator has registered the number; a file is never overwritten, and one that fails is not left.
func TestASheetIsPrintedAtTheServer(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	for name, v := range map[string]string{"QORGAU_SMS_GATEWAY": "http://127.0.0.1:9", "QORGAU_SMS_TOKEN": "gateway-token", "QORGAU_SMS_SECRET": "0123456789abcdef", "QORGAU_SMS_NUMBER": "+77000000002"} {
		m.env[name] = v
	}
	addr := m.start("serve").addr()
	enter := func(role string) (*client.Staff, api.Account) {
		t.Helper()
		out, _, err := m.run("invite", "--role", role, "--name", "Сәуле", "--json")
		var invited map[string]string
		if err != nil || json.Unmarshal([]byte(out), &invited) != nil {
			t.Fatalf("%q, %v", out, err)
		}
		c, err := client.New("http://"+addr, client.Options{})
		if err != nil {
			t.Fatal(err)
		}
		s, err := c.OpenSession(t.Context(), invited["code"], client.Installation{Name: "телефон", Platform: "web"})
		if err != nil {
			t.Fatal(err)
		}
		me, err := s.GetMeWithResponse(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		return s, me.JSON200.Account
	}
	chief, _ := enter("coordinator")
	_, lawyer := enter("lawyer")
	file := filepath.Join(t.TempDir(), "sheet.pdf")
	if _, _, err := m.run("sms", "sheet", lawyer.ID.String(), file); exitCode(err) != exitUsage {
		t.Errorf("without a number: %v", err)
	}
	if r, err := chief.PutSmsNumberWithResponse(t.Context(), lawyer.ID, nil, api.SmsNumber{Phone: "8 701 555 01 01", Language: "kk"}); err != nil || r.JSON200 == nil {
		t.Fatalf("%v", err)
	}
	out, errs, err := m.run("sms", "sheet", lawyer.ID.String(), file)
	if err != nil {
		t.Fatalf("%v: %s%s", err, out, errs)
	}
	page, err := os.ReadFile(file)
	if stat, serr := os.Stat(file); err != nil || serr != nil || stat.Mode().Perm() != 0o600 || !bytes.HasPrefix(page, []byte("%PDF")) {
		t.Errorf("%v, %.10q", err, page)
	}
	for name, try := range map[string]struct {
		m    *machine
		args []string
	}{
		"over a file": {m, []string{lawyer.ID.String(), file}}, "for nobody": {m, []string{"x", file + "2"}},
		"without a number to send to": {m.with("QORGAU_SMS_NUMBER", ""), []string{lawyer.ID.String(), file + "2"}},
	} {
		if _, _, err := try.m.run(append([]string{"sms", "sheet"}, try.args...)...); exitCode(err) != exitUsage {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(file + "2"); err == nil {
			t.Errorf("%s: a file is left", name)
		}
	}
	// And voids it, or all of them.
	for _, try := range []struct{ which, says string }{{lawyer.ID.String(), "sheets voided: 1\n"}, {lawyer.ID.String(), "sheets voided: 0\n"}, {"all", "sheets voided: 0\n"}} {
		if out, _, err := m.with("QORGAU_SMS_NUMBER", "").run("sms", "void", try.which); err != nil || out != try.says {
			t.Errorf("void %s: %q, %v", try.which, out, err)
		}
	}
	if _, _, err := m.run("sms", "void", "x"); exitCode(err) != exitUsage {
		t.Errorf("void x: %v", err)
	}
}
