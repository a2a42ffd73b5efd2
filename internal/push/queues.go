package push

import (
	"time"

	"github.com/riverqueue/river"
)

// Queues. Each kind of channel has workers of its own, and a few more for what cannot wait: a gateway that hangs holds its own and nobody else's, and a cry for
// help does not stand behind the families of a bus. Within a queue, whose priority is 1 comes before 2 (news), and 2 before 3 (what may be late).

// budget is how many attempts a node makes at a time on a kind of channel: for news, and beside them for what is urgent.
type budget struct{ news, urgent int }

// budgets are our judgement, for what each answers at its usual pace. Google answers in some 100 ms, so 128 are over a thousand a second, within its 600,000 a
// minute for a project (firebase.google.com/docs/cloud-messaging/throttling-and-quotas). Telegram takes some 30 messages a second from a bot
// (core.telegram.org/bots/faq). A gateway's modem sends one SMS in seconds, and each letter costs a mail server a connection.
var budgets = map[string]budget{FCM: {128, 16}, WebPush: {64, 8}, Telegram: {8, 4}, SMS: {8, 4}, Email: {8, 2}}

// patient are the kinds whose senders take longer than sendTimeout. A mail server may look at a letter for half a minute before it says that it has it; whoever hangs up
// earlier sends it again, and again.
var patient = map[string]time.Duration{Email: 31 * time.Second}

// timeFor is how long one attempt may take.
func timeFor(channel string) time.Duration {
	if d, ok := patient[channel]; ok {
		return d
	}
	return sendTimeout
}

// jobTime is how long a job of a queue may run: the attempt, what is held for a channel that waits, and the two transactions.
func jobTime(queue string) time.Duration {
	for channel := range patient {
		if queue == queueOf(channel, false) || queue == queueOf(channel, true) {
			return timeFor(channel) + besideSending
		}
	}
	return sendTimeout + besideSending
}

// StuckAfter is how long a job of each queue can be at work at most, the writing down of an answer included: whoever is taken for dead sooner sends beside who goes on.
func StuckAfter() map[string]time.Duration {
	out := map[string]time.Duration{}
	for queue := range Queues() {
		out[queue] = jobTime(queue) + recordTimeout + time.Second
	}
	return out
}

func queueOf(channel string, urgent bool) string {
	if urgent {
		return "push_" + channel + "_urgent"
	}
	return "push_" + channel
}

// Queues are the queues that push's jobs run in.
func Queues() map[string]river.QueueConfig {
	out := map[string]river.QueueConfig{}
	for kind, b := range budgets {
		out[queueOf(kind, false)] = river.QueueConfig{MaxWorkers: b.news}
		out[queueOf(kind, true)] = river.QueueConfig{MaxWorkers: b.urgent}
	}
	return out
}

// turnOf is where a delivery stands: its queue, and its priority there.
func turnOf(channel, notice string) *river.InsertOpts {
	switch notice {
	case Alarm, Timer, Offer, OfferGone:
		return &river.InsertOpts{Queue: queueOf(channel, true), Priority: 1}
	case Changed, Erased, Shift:
		return &river.InsertOpts{Queue: queueOf(channel, false), Priority: 3}
	}
	return &river.InsertOpts{Queue: queueOf(channel, false), Priority: 2}
}
