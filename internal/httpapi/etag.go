package httpapi

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/qorgau/qorgau/internal/seal"
)

// held keeps an answer back until all of it is known: its ETag depends on its end, and a stored answer must be whole
// before the caller may see it.
type held struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (h *held) WriteHeader(status int) {
	if h.status == 0 {
		h.status = status
	}
}

func (h *held) Write(p []byte) (int, error) {
	h.WriteHeader(http.StatusOK)
	return h.body.Write(p)
}

// release sends the answer; of a GET with the ETag that the caller has, only 304.
func (h *held) release(r *http.Request, ring *seal.Ring) {
	h.WriteHeader(http.StatusOK)
	if r.Method == http.MethodGet && h.status == http.StatusOK {
		tag := h.Header().Get("ETag")
		if tag == "" {
			tag = bodyTag(ring, h.body.Bytes())
			h.Header().Set("ETag", tag)
		}
		if sameTag(r.Header.Values("If-None-Match"), tag) {
			h.Header().Del("Content-Type")
			h.ResponseWriter.WriteHeader(http.StatusNotModified)
			return
		}
	}
	h.ResponseWriter.WriteHeader(h.status)
	if h.body.Len() > 0 {
		_, _ = h.ResponseWriter.Write(h.body.Bytes())
	}
}

const bodyTagBytes = 12

// bodyTag is a weak tag of what was answered. It is a keyed hash: caches and crash reports keep tags, and a plain hash of a
// page of names can be tried against a list of names.
func bodyTag(ring *seal.Ring, body []byte) string {
	sum := ring.MAC(seal.ForFingerprint, []byte("etag"), body)
	return `W/"` + base64.RawURLEncoding.EncodeToString(sum[:bodyTagBytes]) + `"`
}

// sameTag compares weakly (RFC 9110, 13.1.2) with any of the tags that the caller has.
func sameTag(have []string, tag string) bool {
	want := strings.TrimPrefix(tag, "W/")
	for _, line := range have {
		for _, one := range strings.Split(line, ",") {
			one = strings.TrimSpace(one)
			if one == "*" || strings.TrimPrefix(one, "W/") == want {
				return true
			}
		}
	}
	return false
}

// cutTag takes the text out of one entity tag. A weak mark is forgiven: proxies that compress put it on our own tags.
func cutTag(header string) (string, bool) {
	t := strings.TrimPrefix(strings.TrimSpace(header), "W/")
	if len(t) < 2 || t[0] != '"' || t[len(t)-1] != '"' {
		return "", false
	}
	return t[1 : len(t)-1], true
}

// recordTag is the ETag of a record whose reader sees more than its revision counts (a search shows news, a detention who
// represents): the revision, then a keyed hash of all that is read; else "anything new?" would be answered "no" for ever.
func (s *Server) recordTag(revision int64, body any) string {
	plain, err := json.Marshal(body)
	if err != nil {
		return revisionTag(int(revision)) // cannot be: the same value is about to be sent
	}
	sum := s.Ring.MAC(seal.ForFingerprint, []byte("etag"), plain)
	return strconv.Quote(strconv.FormatInt(revision, 10) + "." + base64.RawURLEncoding.EncodeToString(sum[:bodyTagBytes]))
}
