"""Names from all over the world. Any likeness to a real person is chance."""

from collections.abc import Sequence
from itertools import product
from random import Random

Name = tuple[str, str]
"""As its owner writes it, and in Latin letters."""


_Writing = tuple[Sequence[tuple[Name, Name]], str]
"""Given and family names, each with each, and how the two are put together."""


def _names(given: str, family: str, written: str = "{given} {family}") -> _Writing:
    """Names part by commas; behind a slash stands how the name is written in Latin letters.

    Family names are those that do not change with gender, so that any two names go together.
    """

    def parsed(names: str) -> list[Name]:
        split = [name.strip().partition("/") for name in names.split(",")]
        return [(native, latin or native) for native, _, latin in split]

    return list(product(parsed(given), parsed(family))), written


_NAMES = (
    _names("Aoife, Cillian, Niamh, Seán", "O’Brien, O'Connor, Ó Súilleabháin, McGrath"),
    _names("Amelia, Oliver, Priya, Zadie", "Smith-Jones, Hartley, D'Souza, Okonkwo-Reed"),
    _names("Lucía, Íñigo, Begoña, María José", "Muñoz, Ibáñez, de la Peña, García-Rey"),
    _names("João, Inês, Tomás, Conceição", "Gonçalves, Magalhães, dos Santos, Simões"),
    _names("Zoë, Jean-Luc, Anaïs, Théo", "L’Hermite, Lefèvre, N’Diaye, d’Aubigné"),
    _names("Jörg, Änne, Günther, Käthe", "Müller, Weiß/Weiss, Schröder-Kühn, von der Ahé"),
    _names("Sanne, Daan, Jiska, Thijs", "van der Meer, in ’t Veld, de Vries, IJzerman"),
    _names("Åsa, Søren/Soren, Bjørn/Bjorn, Pål", "Ångström, Østergaard/Ostergaard, Sjöberg, Ek"),
    _names("Łucja/Lucja, Zbigniew, Jędrzej, Bożena", "Wójcik, Zając, Żak, Wróbel"),
    _names("Jiří, Zdeněk, Božena, Šárka", "Martinů, Krejčí, Jirků, Petrů"),
    _names("Zsófia, Örs, Győző, Ágnes", "Nagy, Szőke, Kőszegi, Tóth", "{family} {given}"),
    _names("Çağla, İbrahim, Işıl/Isil, Özgür", "Yıldız/Yildiz, Öztürk, Şahin, Güneş"),
    _names("Ștefan, Ioana, Mălina, Răzvan", "Țurcanu, Brădeanu, Măceș, Ionescu"),
    _names("Hồng, Quốc Bảo, Thu Hằng, An", "Nguyễn, Trần, Phạm, Huỳnh", "{family} {given}"),
    _names("Ọláyínká, Chukwuemeka, Adéṣọlá, Ngozi", "Adébáyọ̀, Ọ̀ṣundé, Eze, Nwankwọ"),
    _names("Kaʻiulani/Kaiulani, Keoni, Leilani, Mele", "Kealoha, Kāne, Kahananui, Akana"),
    _names(
        "Ольга/Olga, Дмитрий/Dmitri, Юлия/Yulia, Пётр/Pyotr",
        "Живаго/Zhivago, Черных/Chernykh, Миллер/Miller, Седых/Sedykh",
    ),
    _names(
        "Олена/Olena, Тарас/Taras, Зоряна/Zoriana, Мар’ян/Marian",
        "Шевченко/Shevchenko, Ткач/Tkach, Гук/Huk, Дем’яненко/Demianenko",
    ),
    _names(
        "Ελένη/Eleni, Γιώργος/Giorgos, Ζωή/Zoi, Θάνος/Thanos",
        "Παπαϊωάννου/Papaioannou, Νικολάου/Nikolaou, Γεωργίου/Georgiou, Οικονόμου/Oikonomou",
    ),
    _names(
        "ნინო/Nino, გიორგი/Giorgi, თამარ/Tamar, ლევან/Levan",
        "ბერიძე/Beridze, კაპანაძე/Kapanadze, მაისურაძე/Maisuradze, ლომიძე/Lomidze",
    ),
    _names(
        "Անահիտ/Anahit, Տիգրան/Tigran, Նարե/Nare, Արամ/Aram",
        "Պետրոսյան/Petrosyan, Հակոբյան/Hakobyan, Սարգսյան/Sargsyan, Ավագյան/Avagyan",
    ),
    _names(
        "ליאור/Lior, נועה/Noa, אורי/Uri, תמר/Tamar",
        "כהן/Cohen, מזרחי/Mizrahi, לוי/Levi, בן־דוד/Ben-David",
    ),
    _names(
        "ليلى/Layla, يوسف/Yusuf, فاطمة/Fatima, كريم/Karim",
        "حداد/Haddad, منصور/Mansour, خوري/Khoury, عبد الرحمن/Abdel-Rahman",
    ),
    _names(
        "شیرین/Shirin, آرش/Arash, مینا/Mina, بهرام/Bahram",
        "رضایی/Rezaei, کریمی/Karimi, گلستان/Golestan, پارسا/Parsa",
    ),
    _names(
        "አበበ/Abebe, ሰላም/Selam, ትዕግስት/Tigist, ዳዊት/Dawit",
        "በቀለ/Bekele, ተስፋዬ/Tesfaye, ገብረ/Gebre, ኃይሌ/Haile",
    ),
    _names(
        "अनन्या/Ananya, रोहित/Rohit, मीरा/Meera, विक्रम/Vikram",
        "शर्मा/Sharma, मिश्रा/Mishra, जोशी/Joshi, त्रिपाठी/Tripathi",
    ),
    _names(
        "অনিন্দিতা/Anindita, সৌরভ/Sourav, মিতালী/Mitali, অর্ণব/Arnab",
        "সেন/Sen, চট্টোপাধ্যায়/Chattopadhyay, দাস/Das, ঘোষ/Ghosh",
    ),
    _names(
        "கவிதா/Kavitha, முருகன்/Murugan, மீனா/Meena, அருண்/Arun",
        "செல்வம்/Selvam, சுப்பிரமணியன்/Subramanian, ராஜா/Raja, குமார்/Kumar",
    ),
    _names(
        "สมชาย/Somchai, ศิริพร/Siriporn, กมล/Kamon, นภา/Napha",
        "ทองดี/Thongdi, ศรีสุวรรณ/Srisuwan, วงศ์ไทย/Wongthai, แสงจันทร์/Saengchan",
    ),
    _names(
        "伟/Wei, 秀英/Xiuying, 子涵/Zihan, 芳/Fang",
        "王/Wang, 李/Li, 欧阳/Ouyang, 赵/Zhao",
        "{family}{given}",
    ),
    _names(
        "陽菜/Hina, 健太/Kenta, さくら/Sakura, マリ/Mari",
        "佐藤/Sato, 髙橋/Takahashi, 渡邉/Watanabe, 林/Hayashi",
        "{family} {given}",
    ),
    _names(
        "서연/Seoyeon, 민준/Minjun, 하늘/Haneul, 지우/Jiwoo",
        "김/Kim, 박/Park, 남궁/Namgung, 이/Lee",
        "{family}{given}",
    ),
)
_UNUSUAL: Sequence[Name] = (
    ("Suryani", "Suryani"),
    ("Ýr", "Yr"),
    ("Q", "q"),
    ("Ng", "Ng"),
    ("Robin 🌻 Vandenberghe", "robin.v"),
    ("👩🏽‍💻 Nia Mwangi", "nia.mwangi"),
    ("kim de l’orme", "kim.delorme"),
    ("RENATA QUIRÓS", "RQuiros"),
    ("Jo <b>Bold</b> & Sons", "jo.bold"),
    ("Dr. Ana-Sofía “Nena” Álvarez, PhD", "nena.alvarez"),
    (
        (
            "María del Pilar Teresa Eugenia Consuelo Ramona Josefa de los Ángeles "
            "Fernández-Montesinos y Ruiz de Olano Martínez de Saavedra"
        ),
        "maripili",
    ),
    ("Ottokar Donaudampfschifffahrt-Wiesenthal zu Hohenfels-Kreuzlingen", "ottokar"),
)


def name_of(rng: Random, number: int) -> tuple[str, Name, Name]:
    """The whole name, or none where it comes in two parts; and those. Few people share one."""
    turn, place = divmod(number, len(_NAMES) + 1)
    if place == len(_NAMES):
        name, latin = _UNUSUAL[turn % len(_UNUSUAL)]
        return name, (name, latin), ("", "")
    pairs, written = _NAMES[place]
    given, family = pairs[turn % len(pairs)]
    if rng.random() < 0.1:
        return "", given, family
    return written.format(given=given[0], family=family[0]), given, family
