package push

// Who can see a channel, in one plain sentence, before she chooses it. What each provider learns in full: docs/channels.md.

// Names is a sentence in the three languages.
type Names struct{ KK, RU, EN string }

// Kind is a way by which this server can tell people. Understood: it is off until the owner has read WhoSees and chose it.
// WhoSeesPlace is what to read before a department's name is chosen; empty where none can be.
type Kind struct {
	Kind         string
	WhoSees      Names
	WhoSeesPlace Names
	Understood   bool
	VAPIDKey     string
}

// A text with the department's name in it says more than that somebody waits for news.
var whoSeesPlace = Names{
	"СМС-те бөлімшенің атауы болады: оны байланыс операторы, сұрау салса полиция да, және осы телефонды қолына алған кез келген адам оқи алады. Адамның аты жазылмайды.",
	"В СМС будет название отделения: его прочтут оператор связи, по запросу полиция, и любой, кто возьмёт этот телефон. Имени человека в нём не будет.",
	"The SMS will say the department: the telephone company can read it, the police if they ask, and whoever takes this phone. It will not say the person's name.",
}

var whoSees = map[string]Names{
	FCM: {"Бұл телефонға хабарлама келгенін және қашан келгенін Google (iPhone болса, Apple) көреді; ол сіз іздеген адам туралы ештеңе білмейді.",
		"Google (на iPhone ещё и Apple) видит, что на этот телефон пришло уведомление и когда; о том, кого вы ищете, не узнаёт ничего.",
		"Google (and Apple, on an iPhone) sees that a notification came to this phone, and when; it learns nothing of whom you search for."},
	WebPush: {"Хабарлама келгенін және қашан келгенін браузер жасаған компания көреді; мәтінін көрмейді.",
		"Компания, которая сделала браузер, видит, что пришло уведомление и когда; текста не видит.",
		"The company that made the browser sees that a notification came, and when; not its text."},
	Telegram: {"Telegram сіздің аккаунтыңызды, ботқа жазғаныңызды және әр хабарламаның мәтінін көреді; телефонды алған адам да көреді.",
		"Telegram видит ваш аккаунт, что вы пишете этому боту, и текст каждого сообщения; увидит его и тот, кто возьмёт телефон.",
		"Telegram sees your account, that you write to this bot, and the text of each message; so does whoever takes the phone."},
	SMS: {"Байланыс операторы, сұрау салса полиция да, нөміріңізді, уақытын және әр СМС-тің мәтінін көреді.",
		"Оператор связи, а по запросу и полиция, видят ваш номер, время и текст каждого СМС.",
		"The telephone company, and the police if they ask it, see your number, the time and the text of each SMS."},
	Email: {"Хатты пошта қызметіңіз көреді, және ол жәшікте қалады.",
		"Письмо видит ваша почтовая служба, и оно остаётся в ящике.",
		"Your mail provider sees the mail, and it stays in the mailbox."},
	Call: {"Сізге қоңырау шалынғанын байланыс операторы, сұрау салса полиция да, көреді; қоңырауды тыңдауға болады.",
		"Оператор связи, а по запросу и полиция, видят, что вам звонили; разговор можно прослушать.",
		"The telephone company, and the police if they ask it, see that you were called; calls can be listened to."},
}

// MustUnderstand tells whether a kind is off until its owner has read who can see it.
func MustUnderstand(kind string) bool { return kind == SMS || kind == Telegram || kind == Call }

// Kinds are the ways by which this server can tell people, those first that tell others least.
func (c *Center) Kinds() (out []Kind) {
	for _, kind := range []string{FCM, WebPush, Telegram, Email, SMS, Call} {
		if !c.sends(kind) {
			continue
		}
		k := Kind{Kind: kind, WhoSees: whoSees[kind], Understood: MustUnderstand(kind)}
		if kind == SMS {
			k.WhoSeesPlace = whoSeesPlace
		}
		if s, ok := c.senders[kind].(interface{ PublicKey() string }); ok && kind == WebPush {
			k.VAPIDKey = s.PublicKey()
		}
		out = append(out, k)
	}
	return out
}
