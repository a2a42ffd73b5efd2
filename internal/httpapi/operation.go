package httpapi

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"
	"github.com/labstack/echo/v4"

	"github.com/qorgau/qorgau/internal/fault"
)

// operation is what the contract says about one method of one path, looked up once at start and not per request.
type operation struct {
	id           string
	route        string // path of openapi.yaml, with {id}
	private      bool   // below /v1
	proofs       proofs // which proofs of who calls it accepts
	parameters   []*openapi3.Parameter
	query        map[string]bool  // names of query parameters
	body         *openapi3.Schema // nil: none
	bodyRequired bool
	ifMatch      bool // PATCH of a record
	repeatable   bool // takes an Idempotency-Key
	signed       bool // proved by a signature over the body
	streams      bool // answers as it happens: nothing is held back
	contract     *routers.Route
}

// operations reads the contract. Keys are operation ids.
func operations(spec *openapi3.T) (map[string]*operation, error) {
	out := map[string]*operation{}
	for path, item := range spec.Paths.Map() {
		for method, o := range item.Operations() {
			op := &operation{
				id: o.OperationID, streams: o.OperationID == "streamBoard", route: path, private: strings.HasPrefix(path, "/v1/"), query: map[string]bool{},
				contract: &routers.Route{Spec: spec, Path: path, PathItem: item, Method: method, Operation: o},
			}
			if op.id == "" || out[op.id] != nil {
				return nil, fmt.Errorf("contract: %s %s needs an operation id of its own", method, path)
			}
			security := o.Security
			if security == nil {
				security = &spec.Security
			}
			var err error
			if op.proofs, err = proofsOf(*security); err != nil {
				return nil, fmt.Errorf("contract: %s: %w", op.id, err)
			}
			for _, ref := range append(item.Parameters[:len(item.Parameters):len(item.Parameters)], o.Parameters...) {
				op.take(ref.Value)
			}
			if o.RequestBody != nil {
				media := o.RequestBody.Value.Content.Get(echo.MIMEApplicationJSON)
				if media == nil || media.Schema == nil {
					return nil, fmt.Errorf("contract: %s takes a body that is not JSON", op.id)
				}
				op.body, op.bodyRequired = media.Schema.Value, o.RequestBody.Value.Required
			}
			out[op.id] = op
		}
	}
	return out, nil
}

func (op *operation) take(p *openapi3.Parameter) {
	switch p.Name {
	case "If-Match":
		op.ifMatch = true
	case "Idempotency-Key":
		op.repeatable = true
	case signatureHeader:
		op.signed = true
	}
	if p.In == openapi3.ParameterInQuery {
		op.query[p.Name] = true
	}
	op.parameters = append(op.parameters, p)
}

// serve is the way of a request through the edge, for one operation. next is the generated handler.
func (s *Server) serve(op *operation) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			visitOf(c.Request().Context()).route = op.route
			if op.streams {
				return s.pass(c, op, next)
			}
			out := c.Response().Writer
			h := &held{ResponseWriter: out}
			c.Response().Writer = h
			sent := false
			defer func() {
				c.Response().Writer = out
				c.Response().Committed = sent // after a panic nothing has left, whatever the handler had written
			}()
			if err := s.pass(c, op, next); err != nil {
				h.status = 0
				h.body.Reset()
				writeProblem(h, c.Request(), s.Log, err)
			}
			h.release(c.Request(), s.Ring)
			sent = true
			return nil
		}
	}
}

// pass lets the request through to the handler, or says what stopped it.
func (s *Server) pass(c echo.Context, op *operation, next echo.HandlerFunc) error {
	ctx, who, err := s.identify(c, op)
	if err != nil {
		return err
	}
	if err := s.paceOf(who, op.id); err != nil {
		return err
	}
	r := c.Request().WithContext(ctx)
	c.SetRequest(r)
	if op.signed {
		return s.signed(c, next)
	}
	raw, err := s.validate(c, op)
	if err != nil {
		return err
	}
	// An anonymous caller has no name under which an answer could be kept: a key chosen by one stranger would meet
	// another's. Those writes are safe to repeat by their client_id, secret or refresh token alone.
	if key := r.Header.Get("Idempotency-Key"); op.repeatable && key != "" && who.owner != nil {
		return s.once(c, attempt{owner: slices.Concat(who.owner, who.rights), route: r.Method + " " + op.route, key: key, mark: s.fingerprint(r, raw)}, next)
	}
	return next(c)
}

// validate holds parameters and body against the contract and leaves the decoded body for the handler. It returns the raw
// body.
func (s *Server) validate(c echo.Context, op *operation) ([]byte, error) {
	r := c.Request()
	if op.ifMatch {
		if header := r.Header.Get("If-Match"); header == "" || header == "*" {
			return nil, fault.New(fault.PreconditionRequired, "precondition_required")
		}
	}
	var wrong faults
	path := make(map[string]string, len(c.ParamNames()))
	for _, name := range c.ParamNames() {
		path[name] = c.Param(name)
	}
	wrong.parameters(op, r, path)
	if op.body == nil {
		return nil, wrong.err()
	}
	raw, err := readBody(r, op.bodyRequired)
	if err != nil {
		return nil, err
	}
	if raw == nil {
		r.Body, r.ContentLength = http.NoBody, 0
		return nil, wrong.err()
	}
	value, err := decode(raw)
	if err != nil {
		return nil, err
	}
	wrong.body(op.body, value)
	r.Body, r.ContentLength = parsedBody{bytes.NewReader(raw), value}, int64(len(raw))
	return raw, wrong.err()
}

// recovered turns a panic into a 500 like any other and leaves the stack in the log.
func (s *Server) recovered(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if e, ok := p.(error); ok && errors.Is(e, http.ErrAbortHandler) {
				panic(p)
			}
			v := visitOf(c.Request().Context())
			v.faulted = true
			s.Log.Error("http panic", "route", v.route, "request_id", v.id, "kind", describePanic(p), "stack", string(debug.Stack()))
			err = fault.New(fault.Internal, "internal")
		}()
		return next(c)
	}
}
