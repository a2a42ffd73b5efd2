//go:build unix

package smoke_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/qorgau/qorgau/internal/account"
	"github.com/qorgau/qorgau/internal/app"
	"github.com/qorgau/qorgau/internal/push/sms/standin"
)

// The promise: a lawyer's SMS that the gateway was told is here is logged once and answered once, though the process dies before it is worked, in the middle of logging it,
// and while its answer is on the wire.
func killedWhileTexted(t *testing.T, program string) {
	tw, n := prepareNode(t, program)
	gateway, texts := withTexts(t)
	o := app.Options{}
	texts(&o)
	n.env = append(n.env, "QORGAU_SMS_GATEWAY="+o.Config.SMSGateway, "QORGAU_SMS_TOKEN="+o.Config.SMSToken.Reveal(), "QORGAU_SMS_SECRET="+o.Config.SMSSecret.Reveal(),
		"QORGAU_SMS_NUMBER="+o.Config.SMSNumber)
	n.start("--role", "api")
	const phone = "+77015550101"
	chief, lawyer := tw.invited(account.Coordinator), tw.invited(account.Lawyer)
	codes := chief.sheetOf(lawyer, phone)
	said := standin.Said{ID: "gw-1", From: phone, Text: codes[0] + " УП-75-АЛМАЛЫ\nАхметов Арман Серікұлы 1990\nОспанова Айгерім 1995 ж"}
	if got, err := gateway.Say(tw.ctx, "http://"+n.addr.Load().(string)+"/v1/sms", said); err != nil || got != 204 {
		t.Fatal(got, err)
	}
	n.kill() // heard, and worked by nobody

	conn, err := pgx.Connect(tw.ctx, tw.opts.Config.DatabaseURL.Reveal())
	tw.must(err)
	tw.Cleanup(func() { _ = conn.Close(context.Background()) })
	c := &call{town: tw, conn: conn}
	n.launch()
	c.caught("sms_messages", "detentions", n.kill) // its code is used, its people are being written
	if held := tw.count("select count(*) from detentions"); held != 0 || tw.count("select count(*) from sms_reports") != 0 {
		t.Fatalf("half of it is there: %d people", held)
	}
	old := func() {
		_, err := conn.Exec(tw.ctx, "update river_job set attempted_at = attempted_at - interval '2 minutes' where state = 'running'")
		tw.must(err)
	}
	old()
	gateway.Fail(phone, standin.Behaviour{Answer: standin.Hang, Times: 1}) // taken; its yes will find nobody
	n.start()
	tw.eventually("the answer to be on the wire", func() bool { return len(textsTo(gateway, phone, "Записано: 2")) == 1 })
	n.kill()
	old()
	n.start()
	tw.eventually("nothing to be left to do", func() bool {
		return tw.count("select count(*) from sms_messages where state <> 'over'") == 0
	})
	if held, reports := tw.count("select count(*) from detentions"), len(chief.textReports()); held != 2 || reports != 1 {
		t.Errorf("%d people in %d reports", held, reports)
	}
	if got := len(textsTo(gateway, phone, "Записано: 2")); got != 1 {
		t.Errorf("answered %d times", got)
	}
	n.stop()
}
