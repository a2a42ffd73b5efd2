package smslog

import "strings"

// set makes a set of skeletons from words parted by spaces.
func set(words string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(words) {
		m[skeleton(w)] = true
	}
	return m
}

// commands are the first words of messages that log nobody, each also as typed with the wrong layout on.
var commands = func() map[string]command {
	m := map[string]command{"?": {Help, "ru"}}
	for words, c := range map[string]command{
		"статус состояние":                                    {Status, "ru"},
		"жағдай жағдайы жагдай zhagdai zhagday jagdai jagday": {Status, "kk"},
		"status": {Status, "en"},
		"стоп отписаться отписка отпишите":        {Stop, "ru"},
		"тоқта токта тоқтат тоқтаңыз toqta tokta": {Stop, "kk"},
		"stop unsubscribe": {Stop, "en"},
		"помощь помогите справка инфо":     {Help, "ru"},
		"көмек комек анықтама komek kömek": {Help, "kk"},
		"help info": {Help, "en"},
	} {
		for _, w := range strings.Fields(words) {
			m[skeleton(w)], m[skeleton(typedWrong(w))] = c, c
		}
	}
	return m
}()

// command is what a first word wants, and in whose language.
type command struct {
	kind     Kind
	language string
}

// letterFlags are the flags of one letter. A letter and its twin in the other alphabet mean the same; what people would read in two ways has no
// meaning (Р: ранен or ребёнок; Б: бала or босатылды; В: взрослый or выпущен; I, И: injured or and).
var letterFlags = func() map[string]func(*Flags) {
	m := map[string]func(*Flags){}
	for letters, set := range map[string]func(*Flags){
		"Н N U":   func(f *Flags) { f.Minor = true },
		"Ж Ә W F": func(f *Flags) { f.Woman = true },
		"М":       func(f *Flags) { f.Man = true },
		"Т":       func(f *Flags) { f.Injured = true },
		"А L":     func(f *Flags) { f.Lawyer = true },
		"О R":     func(f *Flags) { f.Released = true },
		"К П":     func(f *Flags) { f.Transferred = true },
	} {
		for _, l := range strings.Fields(letters) {
			m[l] = set
			if t, ok := twin[[]rune(l)[0]]; ok {
				m[string(t)] = set
			}
		}
	}
	return m
}()

// wordFlags are flags in words. Each form is listed: a beginning would take "босатылмады" (was not released) for "босатылды".
var wordFlags = func() map[string]func(*Flags) {
	m := map[string]func(*Flags){}
	for words, f := range map[string]func(*Flags){
		"несовершеннолетний несовершеннолетняя несовершеннолетн несоверш несов нсв малолетний малолетняя малолетка ребенок подросток бала жасөспірім кәмелетке кәмелетсіз minor child juvenile underage teen teenager kid": func(f *Flags) { f.Minor = true },
		"жен женщина жінка девушка девочка қыз әйел айел woman female girl": func(f *Flags) { f.Woman = true },
		"муж мужчина парень еркек ер ұл male":                               func(f *Flags) { f.Man = true },
		"ранен ранена ранены раненый раненая ранение травма травмы травмирован травмирована избит избита избили побит побита побои жаралы жараланған жарақат жарақаты жарақаттанған соққыға injured hurt wounded beaten injury trauma": func(f *Flags) { f.Injured = true },
		lawyers: func(f *Flags) { f.Lawyer = true },
		"отпущен отпущена отпустили отпущены освобожден освобождена освободили вышел вышла босатылды босатты босаған босатылған released freed":                                  func(f *Flags) { f.Released = true },
		"переведен переведена перевели перевезен перевезена перевезли увезли увезен увезена этапирован этапирована этап көшірілді ауыстырылды әкетілді әкетті transferred moved": func(f *Flags) { f.Transferred = true },
	} {
		for w := range set(words) {
			m[w] = f
		}
	}
	return m
}()

const lawyers = "адвокат адвоката адвокату адвокаты защитник защитника қорғаушы қорғаушысы lawyer attorney advocate advokat"

// lawyerWords are those of Lawyer, which are read the other way round: "no lawyer" asks for one, "has a lawyer" does not.
var lawyerWords = set(lawyers)

var (
	notBefore = set("не нет без ни not no never without")
	notAfter  = set("нет жоқ joq zhoq jok емес emes")
	hasAfter  = set("есть бар имеется already has there")
	notNeeded = set("не нет not емес жоқ")
	// What says nothing beside a flag or a name.
	needWords   = set("нужен нужна нужны надо нужно просит хочет керек қажет needs need wants")
	saysNothing = set("задержан задержана задержаны задержали задержанный задержанная ұсталды ұсталған ұстады detained arrested фио имя фамилия " +
		"аты жөні аты-жөні тегі name names гражданин гражданка гр гр-н гр-ка год рождения рожд г.р туған жылы жылғы born кто там он она ол он-а это мой моя алған алды был была the is was")
	together = set("және and также тағы мен-және")
	crowd    = set("человек человека люди людей чел people persons person еще ещё more others другие басқалар")
	ageWords = set("лет жас жаста жасар жастағы jasta zhasta years year yo y.o летний летняя jas zhas")
	// After a number that is a year of birth.
	yearWords = set("г гр год года году рождения рожд род р жыл жылы жылғы жт туған т born b year yob")
	codeWords = set("код code kod коды кодым")
)

// standing are places that need no name of their own; the others want a number or a district.
var (
	standing = set("ивс сизо спец спецприемник приемник спецприёмник суд сот больница аурухана автозак уұи ivs spets court hospital sizo bus")
	placed   = set("дп уп оп увд овд ровд рувд руп роп гуп гувд гоп лоп пп пд пб апб убп отдел отделение участок бөлім бөлімі басқарма полиция dp up op uvd rovd rup police department")
	district = set("район района районы районный ауданы аудан қала города город қаласы")
)

// shownPlaces are the beginnings of a department's code that an answer may repeat.
var shownPlaces = map[string]bool{"DP": true, "UP": true, "OP": true, "UVD": true, "OVD": true, "ROVD": true, "RUVD": true, "RUP": true, "ROP": true,
	"IVS": true, "SIZO": true, "SPETS": true, "LOP": true, "PP": true, "PD": true, "PB": true}
