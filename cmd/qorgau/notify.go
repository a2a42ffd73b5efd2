package main

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/qorgau/qorgau/internal/app"
	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/push/webpush"
)

func (c *cli) notify() *cobra.Command {
	keys := &cobra.Command{Use: "keys FILE", Short: "Make the key pair by which browsers know this server", Args: exact(1),
		Long: "Makes the application server's key pair for web push (VAPID), mode 0600, for QORGAU_WEBPUSH_KEYS. An existing file is never replaced: with another\n" +
			"pair every browser has to subscribe anew.",
		RunE: func(_ *cobra.Command, args []string) error {
			pair, err := webpush.NewKeys()
			if err != nil {
				return err
			}
			if err := pair.Write(args[0]); err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.stdout, "%s holds a key pair; its public half, which clients are given: %s\n", args[0], pair.PublicKey())
			return err
		}}
	test := &cobra.Command{Use: "test KIND ADDRESS", Short: "Send a test over one channel, as this environment configures it", Args: exact(2),
		Long: "Sends one message that names nobody and says what the provider answered: accepted is not yet seen. KIND is fcm, webpush, telegram, sms or email;\n" +
			"ADDRESS a registration token, a subscription (JSON), a chat id, a number or a mail address. It needs no database.",
		RunE: func(cmd *cobra.Command, args []string) error { return c.sendTest(cmd, args[0], args[1]) }}
	return group("notify", "Try the ways by which people are told", keys, test)
}

func (c *cli) sendTest(cmd *cobra.Command, kind, address string) error {
	o, err := c.options(slog.LevelWarn)
	if err != nil {
		return err
	}
	carriers, err := app.OpenCarriers(cmd.Context(), o.Config, o.Log)
	if err != nil {
		return err
	}
	defer carriers.Close()
	sender := carriers.Senders[kind]
	if sender == nil {
		return usageError{fmt.Errorf("%q is not configured here; these are: %s", kind, strings.Join(slices.Sorted(maps.Keys(carriers.Senders)), ", "))}
	}
	if check := carriers.Checks[kind]; check != nil {
		canonical, code := check(address)
		if code != "" {
			return usageError{fmt.Errorf("the address is refused: %s", code)}
		}
		address = canonical
	} else if a, code := push.Normalise(push.Address{Kind: kind, Value: address}); code == "" {
		address = a.Value
	}
	r := sender.Send(cmd.Context(), push.Message{Token: address, NoticeID: uuid.NewString(), Kind: "test", Title: "Qorgau", Body: "Тексеру. Проверка. Test.", Language: "ru"})
	if r.Outcome != push.Accepted {
		return fmt.Errorf("%s answers: %s (%s)", sender.Name(), r.Outcome, r.Code)
	}
	_, err = fmt.Fprintf(c.stdout, "%s took it (%s). Whether it arrived, the device says.\n", sender.Name(), r.Code)
	return err
}
