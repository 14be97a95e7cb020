"""Words by which a language is recognized: what tables of advertising say in it, with the letters that ASCII lacks.

`encodings` asks which letters stand beside each other. The words are ours; anyone who misses a language adds a line.
"""

from __future__ import annotations

from collections.abc import Mapping

#: By language: words with the letters that ASCII lacks.
WORDS: Mapping[str, str] = {
    "german": "für über größe größer frühling früher führen gefühl günstig günstiger jährlich täglich möbel schön schöne "
    "schönheit müller köln düsseldorf münchen österreich zürich grün grüne süß straße spaß weiß heiß fuß schuhe größte "
    "kälte wärme märz menü können möchte öffnen hören tür türen stück stücke glück glücklich währung ausgelöst käufe "
    "käufer verkäufe anzeigengröße äpfel getränk geschäft geschäfte länder länge höhe häufigkeit schaltfläche überblick "
    "ähnlich ändern übersicht ökologisch würfel bücher küche kühl natürlich persönlich möglich königlich hütte gefüllt",
    "french": "été café hôtel dépense dépensé dépenses montant coût coûts début période créatif créative créa clé clés "
    "février août décembre réduction réductions nouveauté nouveautés beauté santé qualité publicité résultat résultats "
    "éléments où là à déjà très près après accès succès père mère forêt fête être même tête crêpe pâtes château âge "
    "théâtre île maître goût août sûr français garçon leçon façon ça reçu noël maïs naïf héros éco école économie étude "
    "église fidèle modèle première dernière matière crème pièce chèque bébé thé télé rentrée soirée journée année idée "
    "société réservé sélection sécurité légère légères élégant énergie québec genève région évènement spécial spéciale "
    "prêt prêts intérêt boîte fenêtre côté côtes drôle hiver fraîcheur épicé brûlé vêtements bâtiment connaître "
    "affichée mâcher équipe dégustation démo vidéo cinéma léger répétition impressionné éte été portée désinstallé",
    "spanish": "españa español española año años niño niña niños mañana campaña campañas tamaño diseño señor señora "
    "pequeño pequeña montaña baño sueño cariño impresión conversión versión promoción acción anuncio creación sesión "
    "región edición colección estación navidad día días energía tecnología película fotografía oferta más también así "
    "aquí sólo está estás país raíz café bogotá panamá perú méxico córdoba málaga cádiz león jamón corazón botón avión "
    "camión código público única único último música número rápido fácil fácilmente básico mágico clásico económico "
    "página tráfico imágenes índice útil ánimo época ésta área cámara lámpara sábado miércoles árbol otoño piña "
    "búsqueda común según ningún algún pingüino vergüenza comisión nación atención razón opinión información interés",
    "portuguese": "promoção promoções liquidação impressão impressões conversão conversões ação ações criação coleção "
    "coleções verão inverno são não então pão mão irmão coração região estação atenção informação opções seleção "
    "edição avião botão cartão leilão feijão limão melão limões botões mãe mães amanhã manhã maçã lã irmã preço preços "
    "serviço serviços começo almoço espaço braço laço março calça moça força praça peça cabeça criança crianças você "
    "vocês português inglês mês três até café chá já lá está água área família experiência ciência agência frequência "
    "ônibus avó avô após só óculos código crédito número último únicos público página fácil saúde conteúdo país aí "
    "anúncio anúncios grátis início período veículo título mídia câmbio ângulo lâmpada câmera ânimo dinâmico "
    "orgânico à às àquela pôr pôster quê porquê promocões lançamento lançamentos descrição localização exibições açúcar",
    "italian": "città qualità novità università pubblicità attività libertà felicità metà età già là più giù può però "
    "perciò così lunedì martedì giovedì venerdì sì caffè tè è cioè perché perchè poiché né virtù gioventù menù bontà "
    "varietà comodità velocità realtà società identità unità quantità opportunità papà sarà avrà farà andrà verrà "
    "giovinezza lassù laggiù ciò farò sarò andò cantò finì partì capì visibilità utilità priorità età",
    "nordic": "år året åren här där när för före över även även både få går står små måla säng träd tävling kläder "
    "väder vår våren sommar höst höstens sköna grön gröna rött blått köp köpa köpt försäljning erbjudande låg låga "
    "låt många månad måndag lördag söndag fråga språk sök sökning kött bröd smörgås öl möbler göteborg malmö örebro "
    "västerås skärm äpple ö å ä två trädgård hjørne køb købe købt sør sørg brød rød grøn grønt blå små år få på går "
    "står måned måneder lørdag søndag tøj tøjet sko københavn århus ærø æble ægte være læse læder sæson sæsonen "
    "hjælp tæppe tæt væk næste første størrelse størst største større smør smørrebrød øl ø øre høre føle følg køre "
    "gør gøre møbler bøger børn bjørn ferie sommer vår være være kjøp kjøpe tilbud når nær fjær hår håp språk "
    "tromsø bodø ålesund åpen åpning æren lørdag påske hytte kjøkken pålegg sjø snø jær må blåbær jordbær",
    "finnish": "päivä päivää päivämäärä näyttökerrat näyttö klikkaukset mainos kesä talvi syksy kevät kengät hyvää "
    "hinta määrä määrät lähetys käyttö käytä löydä löytö tyttö pöytä työ yö syö vyö äiti isä tämä nämä mökki sänky "
    "säästä säästö jäätelö väri värit ystävä ympäristö mäki mitä että sitä vähän enemmän elämä väylä öljy yötä",
    "dutch": "één reünie geïnteresseerd coördinatie ideeën categorieën belgië italië patiënten cliënt ruïne café "
    "scène überhaupt knieën zeeën geüpload efficiënt categorieën coöperatie geëngageerd financiële officiële",
    "polish": "wyświetlenia kliknięcia liczba kliknięć wyświetleń zasięg częstotliwość żółta żółty łódź gdańsk "
    "wrocław poznań kraków białystok święta święto świąteczna świat światło śnieg śniadanie środa źródło źle żona "
    "życie że też już możesz może każdy duży dużo mały mała małe małych było był była miał chciał łatwo ładny "
    "głowa słowo słońce słodki mleko mąż mąka ręka ręce będzie będą są sąd wąż kąpiel książka książki pieniądze "
    "dzień dzięki tydzień miesiąc styczeń kwiecień wrzesień grudzień październik jesień zniżka zniżki promocją "
    "sprzedaż wyprzedaż ubrań odzież buty płaszcz kołdra łóżko dół góra góry córka który która które różowy różne "
    "ogłoszenie ogłoszenia reklamy łącznie koszt wartość ilość miłość nowość nowości jakość świeży zdrowie "
    "wiosną latem zimą ćwiczenia ćma źdźbło niż więcej najwięcej męski żeński dziecięcy piękna piękno ciąg większy",
    "czech": "příští příliš přidat při před přes zobrazení kliknutí měna období kampaň náklady kreativa reklama červen "
    "červenec říjen září únor březen květen léto podzim zima sleva slevy nové novinka zboží obchod dárek dárky vánoce "
    "vánoční žena ženy muž muži děti dítě dům domů stůl můj můžete větší menší nejlepší další také už že žádný žlutý "
    "červený zelený černý bílý modrý světlo svět město města řeka hořký tři čtyři šest pět věc věci člověk lidé "
    "praha plzeň liberec děkujeme šťastný šaty boty čaj čokoláda čistý kůže kůň růže růžový úspěch účet úterý středa "
    "čtvrtek pátek neděle něco někdo měsíc týden rok ročně vždy ještě příběh řešení život záře výhodné výprodej "
    "zobrazit počet prokliků míra ďábel loď teď ňadra óda",
    "slovak": "kliknutia zobrazenia obdobie kampaň zľava zľavy ľudia ľahký ľavý päť mäso pôda môj môže kôň stôl "
    "dôležitý dĺžka stĺp vŕba tŕň najlepší ďalší ďakujeme šťastie čokoláda žena výpredaj vianoce vianočný "
    "mesiac týždeň júl jún október košice žilina prešov nové topánky šaty leto jeseň jar tovar spoločnosť",
    "hungarian": "megjelenítés megjelenítések kattintás kattintások költség költségek időszak hirdetés hirdetések "
    "kampány őszi ősz nyári nyár tél tavasz új újdonság akció akciós kedvezmény cipő cipők ruhák női férfi gyerek "
    "idő fő nő nők bő jövő erő első utolsó szép szőlő erdő levegő tető eső folyó vörös zöld kék sárga fehér fűszer "
    "fű gyűrű betű tűz víz gyümölcs zöldség tűnik könyv könyvek győr pécs miskolc szegedi ünnep karácsony húsvét "
    "július augusztus október péntek szerda csütörtök hétfő kedd vasárnap több jobb legjobb minőség ár árak áron "
    "érték értékesítés bevétel konverzió hónap év évi hét nagyon köszönjük között után előtt kör őr űr űrlap",
    "romanian": "afişări clicuri perioadă reclamă reclame bucureşti iaşi timişoara braşov constanţa reducere preţ preţuri "
    "ţară ţări oraş şi aşa să că mă vă până când înainte în îmbrăcăminte încălţăminte toamnă primăvară iarnă vară "
    "români românia română copii fată băiat mâine pâine câine câştig vânzare vânzări ofertă campanie conţinut "
    "informaţii colecţie promoţie acţiune ediţie staţie naţional viaţă faţă soluţie atenţie maşină ştiri înaltă",
    "south_slavic": "kuća kuće cijena već noć ćevapi ići naći sreća voće povrće kolačić božić božićna hrvatska "
    "zagreb čaj čista čokolada dječja djeca riječ riječi šest škola šetnja žena žuto život tržište oglašavanje "
    "proljeće ljeto jesen sniženje sniženja nižim đak đon rođendan građa među također između oglašivač prikazivanja "
    "trošak razdoblje slovenija ljubljana črna črn čevlji oblačila božič otroški največji najboljši življenje išče",
    "turkish": "gösterim gösterimler tıklama tıklamalar tıklanma harcama maliyet dönüşüm dönüşümler dönem reklam "
    "kampanya alışveriş indirim İndirim İstanbul İzmir istanbul ışık ısı sıcak soğuk kış yaz sonbahar ilkbahar "
    "ağustos şubat eylül kasım aralık çarşamba perşembe cumartesi doğum günü yılbaşı yeni yıl kadın kadınlar çocuk "
    "ayakkabı elbise giyim fırsat fırsatlar büyük küçük güzel gül gümüş altın kırmızı sarı yeşil mavi şimdi şehir "
    "iş işlem başarı baş taş kuş düğün değer değil doğal sağlık yağ dağ bağ ağaç öğrenci öğle müşteri ürün ürünler "
    "ücretsiz çok için üç dört kalın ince açık kapalı sınırlı hızlı akıllı ankara antalya türkiye türk görsel "
    "GÖSTERİM TIKLAMA MALİYET İNDİRİM FIRSATI YENİ ÜRÜN KIŞ ÇEKİLİŞ TARİH MÜŞTERİ",
    "icelandic": "það þetta þú þér það við með maður góður góð gott ný nýtt ísland reykjavík sýningar smellir "
    "kostnaður tímabil herferð auglýsing ágúst júlí fyrir þegar þessi veður sumar tilboð útsala ég þið æði",
    "baltic": "parodymai paspaudimai išlaidos kaina laikotarpis šventė žiema rudens pavasaris vasarą lietuva "
    "vilnius kaunas mėnuo mėnesį ačiū įmonė įkelti ąžuolas žmonės žmonių daugiau geriausių drabužių batų ėda ūkis "
    "rādījumi klikšķi izmaksas periods kampaņa ziema rudenī pavasarī latvija rīga gads mēnesis diena šodien jūs "
    "paldies ziņas ģimene ķirsis ļoti māja bērni cenām pārdošana atlaide atlaides apģērbs kurpes jūlijs näitamised "
    "klõpsud jõulud õlu öö sügis kevad müük soodustus rõivad kingad mööbel tänan põhi päev",
    "russian": "показы клики расход расходы дата день кампания объявление объявления креатив герой конверсии "
    "показов кликов стоимость цена валюта аккаунт кабинет группа период итого всего весна лето осень зима скидка "
    "скидки распродажа акция новинка новинки новый новая новые подарок подарки женщины мужчины дети обувь одежда "
    "платье кроссовки куртка дом для на не по от до из под при как что это все или где кто мы вы он она они "
    "москва россия санкт-петербург новосибирск екатеринбург казань сочи январь февраль март апрель май июнь июль "
    "август сентябрь октябрь ноябрь декабрь понедельник вторник среда четверг пятница суббота воскресенье хорошо "
    "быстро бесплатно доставка магазин купить закажи сейчас лучшая лучшие цены больше меньше ещё только сегодня "
    "баннер картинка видео изображение логотип реклама тест вариант синий красный зелёный белый чёрный жёлтый "
    "человек люди время год года неделя месяц работа жизнь вода еда кофе чай хлеб молоко сыр рыба мясо фрукты "
    "путешествие отпуск море горы город страна мир любовь счастье здоровье красота спорт музыка кино книга школа "
    "съёмка объект подъезд щётка площадь ещё вещи борщ этаж экран эффект юбка яблоко ягода цвет центр фото шапка",
    "ukrainian": "покази кліки витрати дата кампанія оголошення період україна київ львів одеса харків знижка знижки "
    "розпродаж новинка взуття одяг жінки чоловіки діти їжа її він вона вони літо осінь весна зима січень лютий "
    "березень квітень травень червень липень серпень вересень жовтень листопад грудень понеділок єдиний європа "
    "ґанок ще щастя життя місто країна день ціна ціни безкоштовно кращі більше сьогодні",
    "bulgarian": "импресии кликвания разходи дата период реклама обява българия софия пловдив варна намаление "
    "промоция нови обувки дрехи жени мъже деца лято есен пролет зима януари първа път ъгъл къща също най-добри цена",
    "serbian": "прикази кликови трошак период србија београд ниш љубав њега ђак ћевапи џем година дечја распродаја",
    "greek": "εμφανίσεις κλικ κόστος ημερομηνία περίοδος καμπάνια διαφήμιση λογαριασμός προσφορά προσφορές έκπτωση "
    "εκπτώσεις νέα νέο καλοκαίρι χειμώνας φθινόπωρο άνοιξη παπούτσια ρούχα γυναίκα άνδρας παιδιά αθήνα θεσσαλονίκη "
    "ελλάδα ιανουάριος μάρτιος απρίλιος ιούνιος ιούλιος αύγουστος δωρεάν τώρα σήμερα και το του της των με για από "
    "στο στη ήρωας εικόνα δώρο ζωή υγεία ομορφιά ψωμί ξενοδοχείο βιβλίο",
    "hebrew": "חשיפות הקלקות קליקים עלות תאריך תקופה קמפיין מודעה חשבון מבצע הנחה חדש חדשה קיץ חורף סתיו אביב נעליים "
    "בגדים נשים גברים ילדים ישראל תל אביב ירושלים חיפה ינואר מרץ אוגוסט חינם עכשיו היום של את על עם לא כל מתנה בית",
    "arabic": "مرات الظهور النقرات التكلفة التاريخ الفترة الحملة الإعلان الحساب عرض عروض خصم تخفيضات جديد جديدة صيف "
    "شتاء ربيع خريف أحذية ملابس نساء رجال أطفال دبي الرياض القاهرة يناير مارس أغسطس مجانا الآن اليوم من في على إلى "
    "هدية بيت صورة بطل السعودية مصر",
    "thai": "การแสดงผล คลิก ค่าใช้จ่าย วันที่ ช่วงเวลา แคมเปญ โฆษณา บัญชี โปรโมชั่น ส่วนลด ใหม่ ฤดูร้อน หน้าหนาว รองเท้า "
    "เสื้อผ้า ผู้หญิง ผู้ชาย เด็ก ประเทศไทย กรุงเทพ มกราคม มีนาคม สิงหาคม ฟรี ตอนนี้ วันนี้ และ ของ ที่ ใน ไม่ ได้ มี ให้ บ้าน รูปภาพ",
}

#: By language written without an alphabet: words of tables, then characters that are frequent anywhere.
CHARACTERS: Mapping[str, str] = {
    "chinese_simplified": "日期 广告 广告系列 广告组 广告名称 创意 素材 图片 展示次数 展示量 曝光量 点击次数 点击量 点击率 花费 费用 消耗 "
    "成本 转化 转化数 转化量 账户 账号 计划 推广计划 单元 关键词 货币 春季 夏季 秋季 冬季 促销 优惠 打折 特价 新品 上市 双十一 "
    "免费 购买 女装 男装 童装 鞋子 衣服 手机 北京 上海 广州 深圳 中国 一月 星期 总计 合计 横幅 海报 英雄 版本 测试 "
    "的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出就分对成会可主发年动同工也能下过子说产种面而方后多定行学法所民"
    "得经三之进着等部度家力里如水化高自二理起小物现实加量都两体制机当使点从业本去把性好应开它合还因由其些然前外天政四日那社"
    "义事平形相全表间样与关各重新线内数正心反你明看原又么利比或但质气第向道命此变条只没结解问意建月公无系军很情者最立代想已"
    "通并提直题党程展五果料象员革位入常文总次品式活设及管特件长求老头基资边流路级少图山统接知较将组见计别她手角期根论运农指",
    "chinese_traditional": "日期 廣告 廣告活動 廣告名稱 創意 素材 圖片 曝光次數 曝光數 點擊次數 點擊率 花費 費用 成本 轉換 轉換次數 "
    "帳戶 帳號 幣別 貨幣 春季 夏季 秋季 冬季 促銷 優惠 打折 特價 新品 上市 免費 購買 女裝 男裝 童裝 鞋子 衣服 手機 臺北 台北 高雄 "
    "臺灣 香港 一月 星期 總計 合計 橫幅 海報 英雄 版本 測試 週年慶 聖誕節 開始日期 結束日期 "
    "的一是在不了有和人這中大為上個國我以要他時來用們生到作地於出就分對成會可主發年動同工也能下過子說產種面而方後多定行學法所民"
    "得經三之進著等部度家力裡如水化高自二理起小物現實加量都兩體制機當使點從業本去把性好應開它合還因由其些然前外天政四日那社"
    "義事平形相全表間樣與關各重新線內數正心反你明看原又麼利比或但質氣第向道命此變條只沒結解問意建月公無系軍很情者最立代想已"
    "通並提直題黨程展五果料象員革位入常文總次品式活設及管特件長求老頭基資邊流路級少圖山統接知較將組見計別她手角期根論運農指",
    "japanese": "日付 期間 広告 広告名 広告セット キャンペーン キャンペーン名 クリエイティブ 表示回数 インプレッション クリック クリック数 "
    "クリック率 費用 消化金額 コンバージョン コンバージョン数 アカウント 通貨 画像 バナー 動画 春 夏 秋 冬 春のセール 夏のセール 新商品 "
    "新作 送料無料 限定 割引 半額 お得 今だけ 無料 購入 東京 大阪 日本 一月 曜日 合計 テスト 男性 女性 靴 服 キッズ 配信 開始日 終了日 "
    "のにはをがでとしてもいるなすこれらまたあえおかきくけさせそたちつてとにぬねはひふへほまみむめもやゆよらりるれろわん"
    "日一国人年大十二本中長出三時行見月後前生五間上東四今金九入学高円子外八六下来気小七山話女北午百書先名川千水半男西電校語土木"
    "聞食車何南万毎白天母火右読友左休父雨会同事自社発者地業方新場員立開手力問代明動京目通言理体田主題意不作用度強公持野以思家世"
    "ァアィイゥウェエォオカガキギクグケゲコゴサザシジスズセゼソゾタダチヂッツヅテデトドナニヌネノハバパヒビピフブプヘベペホボポマミムメモ"
    "ャヤュユョヨラリルレロワヲンヴー",
    "korean": "날짜 기간 광고 광고명 광고세트 캠페인 캠페인명 소재 이미지 노출 노출수 클릭 클릭수 클릭률 비용 총비용 지출 금액 전환 전환수 "
    "계정 통화 봄 여름 가을 겨울 세일 할인 특가 신상품 무료 배송 구매 여성 남성 아동 신발 의류 휴대폰 서울 부산 대한민국 한국 월요일 합계 "
    "배너 영상 테스트 영웅 버전 쿠폰 이벤트 추천 인기 베스트 단독 오늘 지금 가입 혜택 제품 상품 브랜드 쇼핑 "
    "이다는을의에가한하고도로지기사은를들나인어그리자일대수보아라서정시부전주만장있장상원제여해년게와동으명과조신선비구국중소공"
    "연출세우모마안진경당관계식말면생물학업산거방성호내본야건교화용운실무적치약반감려피",
}
