// Russian. The keys are the English texts; what is missing here is shown in English.

export default {
  // Menu, pages, common words
  Main: "Главное меню", Media: "Потоки", Streamers: "Стримеры", Sessions: "Сессии", Server: "Сервер", Config: "Конфигурация",
  Access: "Доступ", "Log out": "Выйти", Login: "Логин", Password: "Пароль", "Sign in": "Войти", "Wrong login or password.": "Неверный логин или пароль.",
  "The server does not answer.": "Сервер не отвечает.", "The server does not answer within {seconds} s.": "Сервер не ответил за {seconds} с.",
  Language: "Язык", Theme: "Оформление", "As the system": "Как в системе", Light: "Светлое", Dark: "Тёмное",
  "Watch on a phone": "Смотреть на телефоне", "QR code of {url}": "QR-код адреса {url}",
  "This address leads to this machine only: a phone needs the server's name or address.": "Этот адрес ведёт только на эту машину: телефону нужно имя или адрес сервера.",
  Save: "Сохранить", Discard: "Отменить правки", Cancel: "Отмена", Create: "Создать", Delete: "Удалить", Close: "Закрыть", Edit: "Изменить",
  Remove: "Убрать", Add: "Добавить", Use: "Включить", Check: "Проверить", Copy: "Копировать", Copied: "Скопировано", Actions: "Действия", Yes: "Да", No: "Нет",
  "Copy {what}": "Копировать: {what}", Previous: "Назад", Next: "Вперёд", Pages: "Страницы", Sections: "Разделы", Created: "Создан",
  "Saved.": "Сохранено.", "Saved and applied.": "Сохранено и применено.", "No errors found.": "Ошибок нет.", Configuration: "Конфигурация", "Configuration file": "Файл конфигурации",
  "Streams that Central gives to this server are in no file and are not shown here.": "Потоков, которые серверу выдаёт Central, в файле нет: здесь их не видно.",

  // Files
  Files: "Файлы", Location: "Расположение", "Play {name}": "Смотреть {name}", "Delete {name}": "Удалить {name}", "Delete {name}?": "Удалить {name}?",
  "Nothing lies here.": "Здесь ничего нет.", "is played now": "сейчас смотрят", "{shown} of {all} are shown": "Показано {shown} из {all}",
  "Upload files": "Загрузить файлы", "Files to upload": "Файлы для загрузки", "Upload of {name}": "Загрузка {name}", "The upload was cancelled.": "Загрузка отменена.",
  "No location of files has a directory on this server: declare one with “vod NAME { storage /PATH; }”.": "Ни у одного расположения файлов нет каталога на этом сервере: объявите его как «vod ИМЯ { storage /ПУТЬ; }».",

  // Wall
  "Find a stream": "Найти поток", "label=value": "метка=значение", Label: "Метка", Order: "Порядок", View: "Вид", List: "Список", Pictures: "Картинки",
  "Problems first": "Сначала проблемы", "By name": "По имени", "Most viewers": "Больше зрителей", "Highest bit rate": "Выше битрейт",
  "All streamers": "Все стримеры", All: "Все", Problems: "Проблемы", Waiting: "Ждут", Running: "Работают", Disabled: "Выключены", State: "Состояние",
  "Add stream": "Добавить поток", "Stream name": "Имя потока", "Source URL": "Адрес источника", Stream: "Поток", Source: "Источник", Streamer: "Стример",
  From: "Откуда", Viewers: "Зрители", "Bit rate": "Битрейт", Up: "Работает", "No stream matches.": "Таких потоков нет.",
  "No streams yet. Add the first one.": "Потоков ещё нет. Добавьте первый.", "Page {number} of {last}, {count} streams": "Страница {number} из {last}, потоков: {count}",
  "Letters, digits, . - _ and / between parts": "Латинские буквы, цифры, . - _ и / между частями",
  "“{name}” is no name of a stream. {legal}.": "«{name}» не может быть именем потока. {legal}.", "There is a stream {name} already.": "Поток {name} уже есть.",
  "For one: rtsp://, rtmp://, hls://, udp://, publish:// or fake://fake": "Например: rtsp://, rtmp://, hls://, udp://, publish:// или fake://fake",
  "Change many streams": "Изменить несколько потоков", "Chosen: {count}": "Выбрано: {count}", "Choose all {count}": "Выбрать все {count}", "Choose {name}": "Выбрать {name}",
  "Choose all of this page": "Выбрать всё на странице", "Choose none": "Снять выбор", Enable: "Включить", Disable: "Выключить", "Label …": "Метка…",
  "Delete {count} streams?": "Удалить потоки ({count})?", "Label, as key=value; without a value it is removed": "Метка в виде ключ=значение; без значения она удаляется",
  "Enabled: {count}.": "Включено: {count}.", "Disabled: {count}.": "Выключено: {count}.", "Deleted: {count}.": "Удалено: {count}.", "Labelled: {count}.": "Помечено: {count}.",
  running: "работает", waiting: "ждёт", disabled: "выключен", starting: "запускается", error: "ошибка",

  // Page of a stream
  Overview: "Обзор", Input: "Входы", Output: "Просмотр", Push: "Отправка", Settings: "Настройки", Text: "Текст", Log: "События", Archive: "Архив",
  Restart: "Перезапустить", "Delete the stream {name}?": "Удалить поток {name}?", Name: "Имя", Problem: "Проблема", "Bit rate, Mbit/s": "Битрейт, Мбит/с",
  "From Central: this server runs the stream but keeps it in no file. Change it in Central.": "Из Central: сервер исполняет поток, но в файле его нет. Меняйте его в Central.",
  "Managed by {owner}: change it there.": "Управляется: {owner}. Меняйте его там.",
  "What comes in": "Что приходит", "What goes out": "Что уходит", "{media} of media, {wire} received": "{media} медиа, {wire} принято", Received: "Принято", Errors: "Ошибки",
  "Lost packets": "Потеряно пакетов", Reconnects: "Переподключения", "Track {id}": "Дорожка {id}", "Key frame every": "Ключевой кадр каждые", Rate: "Скорость", Sent: "Отправлено",
  "round trip {rtt} ms, {again} sent again": "оборот {rtt} мс, повторов {again}", "There is no video.": "Видео нет.",
  "{track}: {seconds} s between key frames. Segments get as long; set the encoder to 2 s.": "{track}: между ключевыми кадрами {seconds} с. Такими же будут сегменты; задайте кодеру 2 с.",
  "{track}: this browser does not decode {codec}.": "{track}: этот браузер не умеет {codec}.", "{track}: some browsers do not decode {codec}.": "{track}: некоторые браузеры не умеют {codec}.",
  "The stream is disabled.": "Поток выключен.", "No streamer runs this stream yet.": "Этот поток пока никто не исполняет.",
  "All protocols that a browser plays are switched off for this stream.": "Все протоколы, понятные браузеру, для этого потока выключены.",
  Play: "Смотреть", "It starts with the first viewer.": "Запустится с первым зрителем.", "Loading …": "Загрузка…", "Waiting for the source.": "Ждём источник.",
  "Waiting for a publisher.": "Ждём публикации.", "Publish with OBS or ffmpeg to {url}": "Публикуйте из OBS или ffmpeg на {url}",
  "Viewers and publishers": "Зрители и публикации", "Nobody is connected.": "Никто не подключён.", "The first {shown} of {all}.": "Первые {shown} из {all}.",
  "publishes by {proto}": "публикует по {proto}", Protocol: "Протокол", Address: "Адрес", Client: "Клиент", Bytes: "Байты", For: "Длительность",
  "Close the session of {ip}": "Закрыть сессию {ip}", History: "История", "Span of time": "Отрезок времени", Hour: "Час", Day: "День", Week: "Неделя", Month: "Месяц", Year: "Год",
  "Nothing was recorded in this time.": "За это время ничего не записано.", Traffic: "Трафик", mean: "среднее", most: "наибольшее", "highest minute": "лучшая минута", out: "наружу", in: "внутрь",
  URL: "URL", active: "активен", standby: "в запасе", "from {ip}": "от {ip}", "{count} packets lost": "потеряно пакетов: {count}", "Input {number}": "Вход {number}", "Save input": "Сохранить вход",
  "Use input {number}": "Включить вход {number}", "Move input {number} up": "Поднять вход {number}", "Move input {number} down": "Опустить вход {number}", "Edit input {number}": "Изменить вход {number}",
  "Remove input {number}": "Убрать вход {number}", "No input.": "Входов нет.", "URL of a further input": "Адрес ещё одного входа", "Further input, used when those above fail": "Ещё один вход, на случай отказа верхних",
  "Add input": "Добавить вход", "Publish by": "Публикация", "{title}: server": "{title}: сервер", "{title}: stream key": "{title}: ключ потока", "publish URL, {title}": "адрес публикации, {title}",
  "Play URLs appear once a streamer runs the stream.": "Адреса появятся, когда поток запустится.",
  "Viewers that come and go, too": "Показать и зрителей", "Nothing happened yet.": "Ничего ещё не произошло.", Time: "Время", Event: "Событие", Why: "Почему", Placed: "Размещён", "Placed nowhere": "Нигде не размещён", "it ran nowhere": "нигде не исполнялся",
  "switched off": "выключена", "This stream is pushed nowhere.": "Поток никуда не отправляется.", "Add a target in the settings": "Добавить цель в настройках", "Change targets in the settings": "Изменить цели в настройках",
  Target: "Цель", Attempts: "Попытки", On: "Вкл.", Off: "Выкл.", "Switch target {number} on": "Включить цель {number}", "Switch target {number} off": "Выключить цель {number}",
  "Player in a page": "Плеер на странице", "Read it by the API": "Прочитать через API", "Make it by the API": "Создать через API", "Delete it by the API": "Удалить через API", "Make it in Kubernetes": "Создать в Kubernetes",
  "Form of the text": "Вид текста", "The stream as {form}": "Поток в виде {form}", "the text": "текст", "This is no JSON object.": "Это не объект JSON.",
  "Line {line}, column {col}: {detail}": "Строка {line}, столбец {col}: {detail}", "There must be one stream, not {count}.": "Поток должен быть один, а не {count}.",
  "Preferred streamer": "Предпочитаемый стример", "Used while it is healthy and has room": "Пока он исправен и есть место", Any: "Любой",

  // Form
  General: "Общее", Publishing: "Публикация", Playback: "Воспроизведение", Recording: "Запись", Transcoding: "Транскодирование", Advanced: "Дополнительно",
  "Default: {value}": "По умолчанию: {value}", "Not set": "Не задано", "One a line": "По одному на строке", name: "имя", value: "значение", "Add {what}": "Добавить: {what}", Entry: "Запись",
  "Unit of {name}": "Единица: {name}", "Name {number} of {label}": "{label}: имя {number}", "Value {number} of {label}": "{label}: значение {number}", "Remove {name}": "Убрать: {name}", "Move {name} up": "Поднять: {name}", "Move {name} down": "Опустить: {name}",
  "Further settings": "Ещё настройки", "Not served by this version: {count}": "Эта версия не умеет: {count}", "This has no effect: {reason}.": "Не действует: {reason}.", "not served by this version": "эта версия не умеет",
  "Served: {schemes}": "Умеет: {schemes}", "{scheme}:// is {reason}: this has no effect.": "{scheme}://: {reason}, это не действует.", "Unsaved changes: {count}": "Не сохранено изменений: {count}", "{count} set": "задано: {count}",
  "Nothing was saved:": "Ничего не сохранено:", "This has no effect on this server:": "На этом сервере не действует:", "A value of its own": "Своё значение", "A text of its own": "Свой текст",
  "Presets:": "Заготовки:", "Add a picture size": "Добавить размер картинки", "Hardware and further settings": "Железо и прочее", "Height of step {number}": "Высота ступени {number}", "Bit rate of step {number}": "Битрейт ступени {number}",
  "Step {number}": "Ступень {number}", "Remove step {number}": "Убрать ступень {number}", "Codec and further settings": "Кодек и прочее", "Transcode the audio": "Транскодировать звук",
  "Limit sessions, sites or countries": "Ограничить сессии, сайты или страны", "May be played by": "Можно смотреть по", "All protocols but those switched off, new ones too": "Всем протоколам, кроме выключенных, и новым тоже", "Only the protocols switched on": "Только включённым протоколам",
  Everybody: "Все", Nobody: "Никто", "A program of yours is asked (HTTP)": "Решает ваша программа (HTTP)", "Who has a signed link (securetoken)": "У кого подписанная ссылка (securetoken)", "Rules of the server (auth_backend)": "Правила сервера (auth_backend)",
  "Another address": "Другой адрес", "Its address": "Её адрес", Secret: "Секрет", "Name of the rules": "Имя правил",
  "As it comes": "Как пришло", Automatic: "Автоматически", "Only while somebody asks": "Пока кто-то просит", Always: "Всегда", "While somebody watches": "Пока кто-то смотрит", Never: "Никогда", "After a minute": "Через минуту",
  Title: "Заголовок", Comment: "Комментарий", Runs: "Работает", Template: "Шаблон", Labels: "Метки", "Give up the source after": "Отказ от источника через", "Stop after the last viewer": "Остановить после последнего зрителя", "Attempts to connect": "Попыток подключения",
  "Longest pause between attempts": "Наибольшая пауза между попытками", "Backup file": "Запасной файл", "Who may publish": "Кто может публиковать", "Password for publishers": "Пароль публикации", Protocols: "Протоколы", "Segment length": "Длина сегмента",
  "Segments in the playlist": "Сегментов в плейлисте", "LL-HLS part length": "Длина части LL-HLS", "Start with": "Начинать с", "Who may watch": "Кто может смотреть", "Record this stream": "Записывать поток", Transcode: "Транскодировать", "Push to": "Отправлять на",
  Directory: "Каталог", "Keep for": "Хранить", "At most": "Не больше", "Disk may be full to": "Заполнять диск до", "Switched off": "Выключена", "Sessions of one user": "Сессий одного пользователя",

  // Streamers and sessions
  healthy: "исправен", "not healthy": "неисправен", online: "на связи", "not connected": "не подключён", draining: "выводится", GPUs: "Видеокарты", Device: "Устройство", Cores: "Ядра", Encoder: "Кодер", Decoder: "Декодер", Temperature: "Температура", Power: "Мощность",
  Writing: "Запись", Busy: "Занят", Off: "Выключен", "On demand": "По запросу", "Nobody publishes": "Никто не публикует", "No data": "Нет данных", "No data yet": "Данных ещё нет",
  "Not for everybody": "Не для всех", "Pictures are off": "Картинки выключены", "Sound only": "Только звук", "No picture": "Нет картинки",
  "History is kept where the configuration has “pulsedb /DIRECTORY;”.": "История хранится, если в конфигурации есть «pulsedb /КАТАЛОГ;».",
  Archives: "Архивы", Depth: "Глубина", Disks: "Диски", Path: "Путь", Used: "Занято", Size: "Размер", Health: "Состояние", Streams: "Потоки", In: "Вход", Out: "Выход", CPU: "Процессор", Memory: "Память", Version: "Версия", "CPU and memory": "Процессор и память", memory: "память", streams: "потоки", streamers: "стримеры",
  "Streams that run": "Работающие потоки", "Streams and streamers": "Потоки и стримеры", "{streams} streams run, {viewers} viewers, {out} out": "работает потоков: {streams}, зрителей: {viewers}, выход {out}", "Add streamer": "Добавить стример", "{count} alerts": "предупреждений: {count}",
  "No streamer yet. Connect the first one.": "Стримеров ещё нет. Подключите первый.", "{hostname} is connected already.": "{hostname} уже подключён.", "New streamer hostname": "Имя нового стримера", "{count} placed": "размещено: {count}", "{count} running": "работает: {count}",
  "Drain {name}? Its streams move to others.": "Вывести {name}? Его потоки уйдут на другие.", "Take it back into service": "Вернуть в работу", Drain: "Вывести", "Not checked yet.": "Ещё не проверен.", passed: "пройдено", failed: "не пройдено",
  "Disconnect {name}? Its streams move to others.": "Отключить {name}? Его потоки уйдут на другие.", Disconnect: "Отключить", "API answers": "API отвечает", "Server is running": "Сервер работает", "Configuration is sound": "Конфигурация в порядке",
  "Takes its streams from Central": "Берёт потоки из Central", "Cluster key is right": "Ключ кластера верен", "Clocks agree": "Часы совпадают", "No session matches.": "Таких сессий нет.", "No session has ended yet.": "Завершённых сессий ещё нет.",
  "Filter by {what}": "Фильтр: {what}", Country: "Страна", "Which sessions": "Какие сессии", Now: "Сейчас", Ended: "Завершены", "{shown} of {all} sessions": "Сессии: {shown} из {all}", Type: "Тип",

  // Access
  "People and programs": "Люди и программы", Audit: "Журнал", Role: "Роль", Administrator: "Администратор", Editor: "Редактор", Viewer: "Наблюдатель", "Add a person or program": "Добавить человека или программу", "Since": "С", "New key": "Новый ключ",
  "Also the login; the key is the password.": "Это и логин; ключ служит паролем.", "Delete {name}": "Удалить {name}", "Delete {name}? It is refused from now on.": "Удалить {name}? Доступа больше не будет.",
  "{name} exists already.": "{name} уже есть.", "New key for {name}": "Новый ключ для {name}", "Role of {name}": "Роль: {name}", Key: "Ключ", Change: "Изменение", made: "создано", deleted: "удалено", "Theme and language": "Оформление и язык",
  "Sees everything but secrets, changes nothing.": "Видит всё, кроме секретов, ничего не меняет.", "Changes streams, streamers and all that belongs to them.": "Меняет потоки, стримеры и всё, что к ним относится.", "Does everything, also this page.": "Делает всё, и на этой странице тоже.",
  "Its key is shown once: keep it.": "Ключ показывается один раз: сохраните его.", "Who": "Кто", "What": "Что", "Nobody but the administrator has access.": "Доступ есть только у администратора.", "Nothing was changed yet.": "Изменений ещё не было.",

  // Archive
  "Nothing is recorded yet.": "Ещё ничего не записано.", Before: "Раньше", After: "Позже", Shown: "Показано", "a day": "сутки", "an hour": "час", Latest: "Последнее",
  "Recording, {size} on the disk": "Идёт запись, на диске {size}", "Not recording": "Не записывается", "the stream is disabled": "поток выключен",
  "Not copied": "Не скопировано", "Copied to {url}: {files} ({size})": "Скопировано в {url}: {files} ({size})", "; {files} ({size}) still to copy, the oldest for {time}": "; осталось скопировать {files} ({size}), самый старый ждёт {time}",
  "; {files} deleted here and never copied": "; удалено здесь и не скопировано: {files}", "1 file": "файлов: 1", "{count} files": "файлов: {count}",
  "Gaps are not filled": "Пробелы не заполняются", "Gaps filled from {origin}": "Пробелы заполняются с {origin}", "; {time} still missing": "; ещё недостаёт {time}", ": there are none": ": их нет",
  "The end must be after the start.": "Конец должен быть позже начала.", "Delete what is recorded of {name} from {from} to {to}?": "Удалить запись {name} с {from} по {to}?",
  "A part": "Фрагмент", Begins: "Начало", Ends: "Конец", "Starts here": "Начать здесь", "Ends here": "Закончить здесь", Export: "Экспорт", Lock: "Защитить", Unlock: "Снять защиту",
  "Something of it is locked": "Часть фрагмента защищена", "Download MP4": "Скачать MP4", Exports: "Экспорт в файлы", Length: "Длительность", Progress: "Ход", Download: "Скачать", done: "готово", queued: "в очереди",
  "Time of the archive": "Время архива", "Plays {moment}": "Показано {moment}", "Choose a moment to play from there.": "Выберите момент, с которого смотреть.", "Picture at {time}": "Картинка в {time}",
  "Nothing is recorded there.": "Там ничего не записано.", "The streamer answers {status}.": "Стример отвечает {status}.", "The streamer does not answer.": "Стример не отвечает.",
  recording: "идёт запись", "not recorded": "не записывается",

  // Units and moments
  "kbit/s": "кбит/с", "Mbit/s": "Мбит/с", B: "Б", KiB: "КиБ", MiB: "МиБ", GiB: "ГиБ", TiB: "ТиБ", "{d}d {h}h": "{d} д {h} ч", "{h}h {m}m": "{h} ч {m} мин", "{m}m {s}s": "{m} мин {s} с", "{s}s": "{s} с",
  "Bit rate of the last minutes": "Битрейт последних минут", "{count} times since {moment}": "{count} раз с {moment}",

  // Events
  "Source opened": "Источник открыт", "Source started": "Источник пошёл", "Source closed": "Источник закрыт", "Source lost": "Источник потерян", "Frames timed out": "Кадры не идут", "Frames restored": "Кадры снова идут",
  "Stream opened": "Поток запущен", "Stream closed": "Поток остановлен", "Dvr failed": "Запись прервана", "Dvr restored": "Запись возобновлена", "Play opened": "Зритель подключён", "Play started": "Зритель смотрит", "Play closed": "Зритель ушёл",
  "Push opened": "Отправка открыта", "Push started": "Отправка идёт", "Push closed": "Отправка закрыта", "Push blocked": "Отправка прекращена", stream: "поток", streamer: "стример", api_token: "доступ", admin: "администратор", editor: "редактор", viewer: "наблюдатель",

  // Settings of a streamer
  "API URL": "Адрес API", "http://STREAMER:PORT, as Central reaches it; empty: the hostname": "http://СТРИМЕР:ПОРТ, как его видит Central; пусто: имя узла", "Public payload URL": "Адрес для зрителей", "As viewers reach it; empty: the API URL": "Как его видят зрители; пусто: адрес API",
  "Private payload URL": "Адрес для стримеров", "As other streamers reach it": "Как его видят другие стримеры", "Cluster key": "Ключ кластера", "The same as in the streamer's configuration": "Тот же, что в конфигурации стримера", "Channel limit": "Предел каналов", "Streams it takes at most": "Сколько потоков он берёт самое большее",
  Provider: "Провайдер", Position: "Положение",

  "How to use": "Применение", "There is no stream of this name.": "Потока с таким именем нет.", "All streams": "Все потоки",
  "This browser cannot decode {codec}.": "Этот браузер не умеет {codec}.", "This browser cannot play the stream.": "Этот браузер не может показать поток.", "This browser has no WebRTC.": "В этом браузере нет WebRTC.",
  "There is no way to the server by UDP or TCP; trying again.": "Сервер недоступен по UDP и TCP; пробуем снова.", "The connection was lost; trying again.": "Соединение потеряно; пробуем снова.",

  // Player
  Quality: "Качество", Sound: "Звук", Auto: "Автоматически", "Back to live": "К эфиру", "From the camera to the screen": "От камеры до экрана", "Press play to start.": "Нажмите «воспроизвести».", "Access to this stream is denied.": "Доступ к потоку закрыт.", "There is no such stream.": "Такого потока нет.",
  "Waiting for the first picture.": "Ждём первую картинку.",
  "The stream is not running; trying again.": "Поток не работает, пробуем снова.", "The source of the stream gives no data: the publisher has left. Waiting for it.": "Источник молчит: публикация прервалась. Ждём её.",
};
