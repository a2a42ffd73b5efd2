package app

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/qorgau/qorgau/internal/pg"
	"github.com/qorgau/qorgau/internal/push"
	"github.com/qorgau/qorgau/internal/push/telegram"
)

const (
	// botLock is held by the one process that reads what people write to the bot: Telegram gives it to one reader only.
	botLock = 7215304902
	// lockEvery is how often a process tries to become that one, and the one looks whether it still is.
	lockEvery = 5 * time.Second
)

// alone runs do on one process of all that share the database, for as long as it holds a lock there. A process that dies, or that loses its connection,
// lets it go, and another takes over within seconds.
func alone(ctx context.Context, db *pg.DB, lock int64, do func(ctx context.Context)) {
	repeat(ctx, lockEvery, func(ctx context.Context) {
		conn, err := db.Pool.Acquire(ctx)
		if err != nil {
			return
		}
		// The lock is the session's: the connection is not given back to others with it.
		defer func() { _ = conn.Hijack().Close(context.WithoutCancel(ctx)) }()
		var mine bool
		if err := conn.QueryRow(ctx, "select pg_try_advisory_lock($1)", lock).Scan(&mine); err != nil || !mine {
			return
		}
		doing, stop := context.WithCancel(ctx)
		done := make(chan struct{})
		go func() {
			defer close(done)
			do(doing)
		}()
		defer func() { stop(); <-done }()
		still := time.NewTicker(lockEvery)
		defer still.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-still.C:
				asking, end := context.WithTimeout(ctx, lockEvery)
				err := conn.Ping(asking)
				end()
				if err != nil {
					return
				}
			}
		}
	})
}

// What the bot answers, in the two languages that nearly everybody here reads: nobody has said yet which is theirs.
const (
	chatOpened = "Дайын. Жаңалық болса, осында жазамыз. Тоқтату үшін СТОП деп жазыңыз.\nГотово. Если будут новости, напишем сюда. Чтобы прекратить, напишите СТОП."
	chatOld    = "Бұл сілтеме ескірген. Қолданбадан жаңасын алыңыз.\nЭта ссылка устарела. Возьмите новую в приложении."
	chatEnded  = "Енді жазбаймыз.\nБольше не пишем."
	chatElse   = "Бұл бот тек хабарлама жібереді. Тоқтату үшін СТОП деп жазыңыз.\nЭтот бот только присылает сообщения. Чтобы прекратить, напишите СТОП."
)

// hearChat hears what people write to the bot: a link of ours opens a chat, a stop word ends it, and anything else is answered by what the bot is for. What
// they write is kept nowhere.
func hearChat(ctx context.Context, chat *telegram.Sender, center *push.Center, log *slog.Logger) {
	chat.Listen(ctx, func(ctx context.Context, u telegram.Update) error {
		answer := chatElse
		switch {
		case u.Start != "":
			ours, err := center.Started(ctx, u.Start, u.ChatID)
			if err != nil {
				log.WarnContext(ctx, "a chat cannot be opened", "code", coded(err).Error())
				return err
			}
			if answer = chatOld; ours {
				answer = chatOpened
			}
		case isStop(u.Text):
			if _, err := center.Stop(ctx, push.Telegram, u.ChatID, time.Time{}); err != nil {
				log.WarnContext(ctx, "a chat cannot be ended", "code", coded(err).Error())
				return err
			}
			answer = chatEnded
		}
		if r := chat.Reply(ctx, u.ChatID, answer); r.Outcome != push.Accepted {
			log.InfoContext(ctx, "the bot's answer was not taken", "code", r.Code)
		}
		return nil
	})
}

// isStop knows the stop words of the three languages, also with the keyboard left on the other layout.
func isStop(text string) bool {
	switch strings.ToLower(strings.Trim(text, " \t\n/.!\"'«»")) {
	case "stop", "стоп", "тоқта", "токта", "cnjg", "ыещз":
		return true
	}
	return false
}
