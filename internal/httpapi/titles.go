package httpapi

// titles are the sentences for people; apps act on the code. Order: Kazakh, Russian, English.
var titles = map[string][3]string{
	"malformed":              {"Сұрауды оқу мүмкін болмады.", "Запрос не удалось прочитать.", "The request cannot be read."},
	"unknown_field":          {"Сұрауда белгісіз өріс бар.", "В запросе есть неизвестное поле.", "The request has a field that is not known."},
	"invalid":                {"Сұрауда қате бар.", "В запросе есть ошибка.", "Something in the request is not right."},
	"unauthenticated":        {"Қайта кіріңіз.", "Войдите снова.", "Sign in again."},
	"token_expired":          {"Кіру мерзімі өтті.", "Срок входа истёк.", "The sign-in has run out."},
	"forbidden":              {"Бұған құқығыңыз жоқ.", "На это у вас нет права.", "You are not allowed to do this."},
	"second_person_needed":   {"Мұны басқа адам шешуі керек.", "Это должен решить другой человек.", "Someone else must decide."},
	"not_found":              {"Табылмады.", "Не найдено.", "Not found."},
	"method_not_allowed":     {"Бұл жерде олай болмайды.", "Здесь так нельзя.", "This cannot be done here."},
	"unsupported_media_type": {"Сұрау JSON түрінде болуы керек.", "Тело запроса должно быть в JSON.", "Bodies are JSON."},
	"conflict":               {"Жазбаның қазіргі күйі бұған жол бермейді.", "Нынешнее состояние записи этого не допускает.", "The record's state does not allow it."},
	"in_flight":              {"Алғашқы сұрау әлі орындалып жатыр.", "Первый запрос ещё выполняется.", "The first request is still at work."},
	"client_id_taken":        {"Бұл нөмір бос емес.", "Этот номер уже занят.", "This id is taken."},
	"disclosure_sealed":      {"Бұл жазба жабық.", "Эта запись закрыта.", "This record is sealed."},
	"already_decided":        {"Шешім қабылданып қойған.", "Решение уже принято.", "This has been decided already."},
	"taken":                  {"Басқа адвокат барады.", "Уже едет другой адвокат.", "Another lawyer goes."},
	"ended":                  {"Бұл аяқталды.", "Это уже завершено.", "This has ended."},
	"engaged":                {"Сіз басқа жерге бара жатырсыз.", "Вы уже едете в другое место.", "You are on the way elsewhere."},
	"not_yours":              {"Бұл сізге қойылған сұрақ емес.", "Спрашивали не вас.", "It was not you who was asked."},
	"pin_needed":             {"PIN-кодты енгізіңіз.", "Введите PIN-код.", "Enter the PIN."},
	"wrong_pin":              {"PIN-код қате.", "Неверный PIN-код.", "The PIN is wrong."},
	"wrong_code":             {"Код қате.", "Неверный код.", "The code is wrong."},
	"stale":                  {"Жазба өзгерген.", "Запись изменилась.", "The record has changed."},
	"too_large":              {"Сұрау тым үлкен.", "Запрос слишком большой.", "The request is too long."},
	"idempotency_mismatch":   {"Бұл кілт басқа сұрауға тиесілі.", "Этот ключ принадлежит другому запросу.", "This key belongs to another request."},
	"precondition_required":  {"Алдымен жазбаны оқып алыңыз.", "Сначала прочитайте запись.", "Read the record first."},
	"challenge_required":     {"Сіздің машина емес екеніңізді тексеру керек.", "Нужна проверка, что вы не машина.", "Prove that you are not a machine that guesses."},
	"too_many":               {"Сұрау тым көп. Сәл күтіңіз.", "Слишком много запросов. Подождите.", "Too many requests."},
	"internal":               {"Бізде қате шықты.", "У нас произошла ошибка.", "Something went wrong on our side."},
	"locked":                 {"Сервер әлі ашылған жоқ.", "Сервер ещё не открыт.", "The server is not unlocked yet."},
	"unavailable":            {"Сәлден соң қайталап көріңіз.", "Повторите через минуту.", "Try again in a moment."},
}

func title(code, language string) string {
	t, ok := titles[code]
	if !ok {
		return code
	}
	switch language {
	case "kk":
		return t[0]
	case "en":
		return t[2]
	}
	return t[1]
}
