package webpush

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const (
	point  = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4" // RFC 8291, 5
	secret = "BTBZMqHH6r4Tts7J_aSIgg"
	fcmURL = "https://fcm.googleapis.com/fcm/send/dGhl:APA91b"
)

func address(endpoint, p256dh, auth string) string {
	var in struct {
		Endpoint       string         `json:"endpoint"`
		ExpirationTime *int           `json:"expirationTime"`
		Keys           map[string]any `json:"keys"`
	}
	in.Endpoint, in.Keys = endpoint, map[string]any{"auth": auth, "p256dh": p256dh, "extra": 1}
	text, _ := json.Marshal(in)
	return string(text)
}

func TestEndpointsThatAreCalled(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		fcmURL: fcmURL,
		"HTTPS://FCM.GoogleAPIs.com:443/fcm/send/A:b":            "https://fcm.googleapis.com/fcm/send/A:b",
		"https://fcm.googleapis.com:/wp/a%2Fb":                   "https://fcm.googleapis.com/wp/a%2Fb",
		"https://updates.push.services.mozilla.com/wpush/v2/gA=": "https://updates.push.services.mozilla.com/wpush/v2/gA=",
		"https://a-1.push.services.mozilla.com/wpush/v2/x":       "https://a-1.push.services.mozilla.com/wpush/v2/x",
		"https://web.push.apple.com/QGuQ_yz-9":                   "https://web.push.apple.com/QGuQ_yz-9",
		"https://wns2-par02p.notify.windows.com/w/?token=BQYAAA": "https://wns2-par02p.notify.windows.com/w/?token=BQYAAA",
		"https://db5p.notify.windows.com/w/?token=B%2b&x='(*)!;": "https://db5p.notify.windows.com/w/?token=B%2b&x='(*)!;",
	} {
		got, code := Normalise(address(given, point, secret))
		if want := `{"endpoint":"` + want + `","keys":{"p256dh":"` + point + `","auth":"` + secret + `"}}`; code != "" || got != want {
			t.Errorf("%s: %s, %s", given, got, code)
		}
	}
}

func TestEndpointsThatAreNotCalled(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"":                                     "bad_format",
		"http://fcm.googleapis.com/fcm/send/a": "not_allowed",
		"ftp://fcm.googleapis.com/fcm/send/a":  "not_allowed",
		"https://fcm.googleapis.com:8443/fcm/send/a":  "not_allowed",
		"https://fcm.googleapis.com:80/fcm/send/a":    "not_allowed",
		"https://fcm.googleapis.com.evil.kz/a":        "not_allowed",
		"https://evil-fcm.googleapis.com/a":           "not_allowed",
		"https://x.fcm.googleapis.com/a":              "not_allowed",
		"https://fcm.googleapis.com./a":               "not_allowed",
		"https://storage.googleapis.com/a":            "not_allowed",
		"https://push.services.mozilla.com/a":         "not_allowed",
		"https://.push.services.mozilla.com/a":        "not_allowed",
		"https://evilpush.services.mozilla.com/a":     "not_allowed",
		"https://notify.windows.com/a":                "not_allowed",
		"https://x.notify.windows.com.evil.kz/a":      "not_allowed",
		"https://x..notify.windows.com/a":             "not_allowed",
		"https://a.web.push.apple.com/a":              "not_allowed",
		"https://127.0.0.1/a":                         "not_allowed",
		"https://2130706433/a":                        "not_allowed",
		"https://[::1]/a":                             "not_allowed",
		"https://[::ffff:127.0.0.1]/a":                "not_allowed",
		"https://localhost/a":                         "not_allowed",
		"https://169.254.169.254/latest/meta-data":    "not_allowed",
		"https://evil.kz/?fcm.googleapis.com/a":       "not_allowed",
		"https://user@fcm.googleapis.com/a":           "bad_format",
		"https://fcm.googleapis.com@evil.kz/a":        "bad_format",
		"https://fcm.googleapis.com:443@evil.kz/a":    "bad_format",
		"https://evil.kz\\@fcm.googleapis.com/a":      "bad_format",
		"https://fcm.googleapis.com\\.evil.kz/a":      "bad_format",
		"https://fcm.googleapis.com/a#b":              "bad_format",
		"https://fcm.googleapis.com/a#":               "bad_format",
		"https://fcm.googleapis.com/a b":              "bad_format",
		"https://fcm.googleapis.com/a\r\nHost: x":     "bad_format",
		"https://fcm.googleapis.com/\"":               "bad_format",
		"https://fcm.googleapis.com/ж":                "bad_format",
		"https://fcm.googleapis.com/%zz":              "bad_format",
		"https://ｆcm.googleapis.com/a":                "bad_format",
		"https://fcm.googleapis.com":                  "bad_format",
		"https://fcm.googleapis.com/":                 "bad_format",
		"https:fcm.googleapis.com/a":                  "bad_format",
		"//fcm.googleapis.com/a":                      "not_allowed",
		"/fcm/send/a":                                 "bad_format",
		"https:///fcm/send/a":                         "bad_format",
		"https://fcm.googleapis.com:x/a":              "bad_format",
		"https://%66cm.googleapis.com/a":              "bad_format",
		"https://fcm.googleapis.com:443:443/a":        "bad_format",
		"javascript:alert(1)":                         "bad_format",
		"https://updates.push.services.mozilla.com:1": "not_allowed",
	} {
		if got, code := Normalise(address(given, point, secret)); code != want || got != "" {
			t.Errorf("%q: %q, %s, want %s", given, got, code, want)
		}
	}
}

func TestAddressesAsAWhole(t *testing.T) {
	t.Parallel()
	good := address(fcmURL, point, secret)
	fits := address(fcmURL+strings.Repeat("a", maxAddress-len(good)), point, secret)
	off := "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw8" // one bit
	std := strings.NewReplacer("-", "+", "_", "/").Replace
	for _, c := range []struct{ name, raw, code string }{
		{"good", good, ""},
		{"with padding, in the other alphabet", address(fcmURL, std(point)+"=", std(secret)+"=="), ""},
		{"spaced", " \n" + strings.ReplaceAll(good, ",", " , "), ""},
		{"2 KiB", fits, ""},
		{"2 KiB and a byte", fits + " ", "too_long"},
		{"nothing", "", "required"},
		{"blank", " \n", "required"},
		{"null", "null", "bad_format"},
		{"no object", `"` + fcmURL + `"`, "bad_format"},
		{"an array", "[" + good + "]", "bad_format"},
		{"two", good + good, "bad_format"},
		{"cut", good[:len(good)-1], "bad_format"},
		{"deep", strings.Repeat("[", 2000), "bad_format"},
		{"no keys", `{"endpoint":"` + fcmURL + `"}`, "bad_format"},
		{"endpoint of another kind", `{"endpoint":{}}`, "bad_format"},
		{"point off the curve", address(fcmURL, off, secret), "bad_format"},
		{"compressed point", address(fcmURL, "Ag"+point[2:44], secret), "bad_format"},
		{"point of zeros", address(fcmURL, strings.Repeat("A", 87), secret), "bad_format"},
		{"short secret", address(fcmURL, point, secret[:20]), "bad_format"},
		{"long secret", address(fcmURL, point, secret+"AAAA"), "bad_format"},
		{"secret that is no base64", address(fcmURL, point, "*"+secret[1:]), "bad_format"},
		{"keys swapped", address(fcmURL, secret, point), "bad_format"},
	} {
		got, code := Normalise(c.raw)
		if code != c.code || (got == "") != (code != "") {
			t.Errorf("%s: %q, %s, want %s", c.name, got, code, c.code)
		}
		if code == "" && strings.Contains(got, "extra") {
			t.Errorf("%s: unknown members stay: %s", c.name, got)
		}
	}
	if a, _ := Normalise(good); a == "" || strings.Contains(a, "expirationTime") {
		t.Error(a)
	}
}

func TestTheStandInAloneIsExempt(t *testing.T) {
	t.Parallel()
	r := rules{standIn: "http://127.0.0.1:9098"}
	for given, want := range map[string]string{
		"http://127.0.0.1:9098/push/a": "", fcmURL: "",
		"https://127.0.0.1:9098/push/a": codeNotAllowed, "http://127.0.0.1:9099/push/a": codeNotAllowed, "http://127.0.0.1/push/a": codeNotAllowed,
		"http://localhost:9098/push/a": codeNotAllowed, "http://127.0.0.1:9098@evil.kz/a": codeBadFormat,
	} {
		if _, code := r.parse(address(given, point, secret)); code != want {
			t.Errorf("%s: %s, want %s", given, code, want)
		}
	}
	if _, code := Normalise(address("http://127.0.0.1:9098/push/a", point, secret)); code != codeNotAllowed {
		t.Errorf("without one: %s", code)
	}
}

// Whatever comes in: the one form is its own one form, no longer than what it was made from, and calls a host of the list.
func TestTheOneFormIsOne(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		host := rapid.SampledFrom([]string{"fcm.googleapis.com", "Updates.push.services.mozilla.com:443", "web.push.apple.com:", "x.notify.windows.com", "evil.kz", "fcm.googleapis.com@evil.kz"}).Draw(t, "host")
		path := rapid.StringOf(rapid.SampledFrom([]rune("aZ09-._~:/?#[]@!$&'()*+,;=%2F\\\"<> ж"))).Draw(t, "path")
		raw := address("https://"+host+"/"+path, point, secret)
		once, code := Normalise(raw)
		if code != "" {
			return
		}
		twice, code := Normalise(once)
		if code != "" || twice != once || len(once) > len(raw) || !json.Valid([]byte(once)) {
			t.Fatalf("%s becomes %s becomes %s (%s)", raw, once, twice, code)
		}
		if strings.Contains(host, "evil") {
			t.Fatalf("taken: %s", raw)
		}
	})
}
