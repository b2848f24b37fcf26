"""Articles, names and addresses for the generated orders of the shop."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

__all__ = ["ARTICLES", "COUNTRIES", "Article", "Country"]


class Article(NamedTuple):
    """One article; `price` is per unit and excludes tax, `vat` is the Dutch rate in percent."""

    product_id: int
    sku: str
    name: str
    price: Decimal
    vat: int


class Country(NamedTuple):
    """
    Names and addresses of a country.

    - `share`: the weight of the country among the customers.
    - `companies`: names in which `{}` is replaced by a last name.
    - `cities`: each with the pattern of its postal codes, in which # is a digit and X a letter.
    """

    code: str
    language: str
    share: int
    first_names: tuple[str, ...]
    last_names: tuple[str, ...]
    companies: tuple[str, ...]
    streets: tuple[str, ...]
    cities: tuple[tuple[str, str], ...]


def _article(product_id: int, number: int, name: str, price: str, vat: int = 21) -> Article:
    return Article(product_id, f"#{number}", name, Decimal(price), vat)


ARTICLES: tuple[Article, ...] = (
    _article(408, 117, "voorbeeld artikel", "49.99"),
    _article(409, 118, "Werkhandschoen maat L", "4.35"),
    _article(410, 119, "Werkhandschoen maat XL", "4.35"),
    _article(411, 120, "Veiligheidsbril helder", "7.95"),
    _article(415, 124, "Gehoorkap 31 dB", "18.50"),
    _article(416, 125, "Veiligheidsschoen S3 maat 42", "64.90"),
    _article(417, 126, "Veiligheidsschoen S3 maat 43", "64.90"),
    _article(421, 130, "Hamer 300 g", "12.49"),
    _article(422, 131, "Schroevendraaierset 8-delig", "27.95"),
    _article(423, 132, "Waterpas 60 cm", "21.80"),
    _article(424, 133, "Rolmaat 5 m", "6.75"),
    _article(430, 140, "Accuboormachine 18 V", "129.00"),
    _article(431, 141, "Accu 18 V 4 Ah", "74.50"),
    _article(432, 142, "Borenset HSS 19-delig", "32.40"),
    _article(440, 150, "Verlengsnoer 10 m", "16.25"),
    _article(441, 151, "Kabelhaspel 40 m", "58.99"),
    _article(442, 152, "LED-werklamp 30 W", "39.95"),
    _article(450, 160, "Afvalzak 120 l, rol van 20", "5.15"),
    _article(451, 161, "Poetsdoek wit, 10 kg", "23.60"),
    _article(452, 162, "Handreiniger 3 l", "14.20"),
    _article(460, 170, "Verpakkingstape bruin 50 mm", "1.89"),
    _article(461, 171, "Rekfolie 500 mm x 300 m", "9.45"),
    _article(462, 172, "Kartonnen doos 400 x 300 x 300", "1.12"),
    _article(470, 180, "Koffiebonen espresso 1 kg", "13.75", 9),
    _article(471, 181, "Thee Earl Grey, 100 zakjes", "6.30", 9),
    _article(472, 182, "Mineraalwater 24 x 0,5 l", "8.40", 9),
    _article(473, 183, "Stroopwafels, doos van 40", "11.95", 9),
    _article(474, 184, "Handboek veilig werken", "24.77", 9),
    _article(480, 190, "Steekwagen 200 kg", "89.00"),
    _article(481, 191, "Magazijnstelling 180 x 90", "112.35"),
)
"""Articles with various cents in their prices; the first one is that of the seed."""

COUNTRIES: tuple[Country, ...] = (
    Country(
        "NL",
        "NL",
        50,
        ("Jan", "Sanne", "Pieter", "Anouk", "Daan", "Fleur", "Willem", "Noor", "Ruben", "Maaike"),
        ("de Vries", "Jansen", "van den Berg", "Bakker", "Visser", "Smit", "Mulder", "de Boer", "van 't Hof"),
        ("{} Bouw B.V.", "Technische Groothandel {}", "{} Installatie B.V.", "Gebr. {}"),
        ("Keizersgracht", "Stationsweg", "Dorpsstraat", "Industrieweg", "Burgemeester de Vlugtlaan", "'s-Gravenweg"),
        (
            ("Amsterdam", "1015XX"),
            ("Utrecht", "3511XX"),
            ("Zwijndrecht", "3331XX"),
            ("'s-Hertogenbosch", "5211XX"),
            ("Groningen", "9711XX"),
        ),
    ),
    Country(
        "DE",
        "DE",
        22,
        ("Jürgen", "Anna", "Lukas", "Käthe", "Matthias", "Ulrike", "Björn", "Sabine"),
        ("Müller", "Schmidt", "Schäfer", "Weiß", "Köhler", "Krüger", "von der Heide", "Groß"),
        ("{} GmbH", "{} & Söhne KG", "Werkzeughandel {} e.K."),
        ("Hauptstraße", "Königsallee", "Am Güterbahnhof", "Bahnhofstraße", "Straße des 17. Juni"),
        (("Köln", "50###"), ("München", "80###"), ("Düsseldorf", "402##"), ("Berlin", "10###")),
    ),
    Country(
        "BE",
        "NL",
        12,
        ("Bart", "Lotte", "Wouter", "Élise", "Koen", "Hélène"),
        ("Peeters", "Maes", "Claes", "De Smedt", "Vandenbroucke", "Dubois"),
        ("{} BV", "Bouwmaterialen {} NV"),
        ("Grote Markt", "Kerkstraat", "Antwerpsesteenweg", "Rue de l'Église"),
        (("Antwerpen", "20##"), ("Gent", "90##"), ("Liège", "40##")),
    ),
    Country(
        "NO",
        "NO",
        8,
        ("Åse", "Håkon", "Ingrid", "Bjørn", "Sølvi", "Øyvind"),
        ("Ødegård", "Hansen", "Bråten", "Sæther", "Nygård", "Løkken"),
        ("{} AS", "{} Entreprenør AS"),
        ("Storgata", "Kirkegata", "Bjørnsons gate", "Skippergata"),
        (("Oslo", "01##"), ("Bergen", "50##"), ("Tromsø", "90##"), ("Ålesund", "60##")),
    ),
    Country(
        "DK",
        "DA",
        5,
        ("Søren", "Mette", "Jørgen", "Kirsten"),
        ("Sørensen", "Kjær", "Nørgaard", "Østergaard"),
        ("{} ApS", "{} Værktøj A/S"),
        ("Vestergade", "Nørrebrogade", "Strandvejen"),
        (("København", "21##"), ("Aarhus", "80##"), ("Ærøskøbing", "5970")),
    ),
    Country(
        "SE",
        "SV",
        3,
        ("Åsa", "Göran", "Märta", "Björn"),
        ("Öberg", "Sjöström", "Lindström", "Åkesson"),
        ("{} AB", "{}s Bygg AB"),
        ("Drottninggatan", "Östra Hamngatan", "Sveavägen"),
        (("Göteborg", "411 ##"), ("Malmö", "211 ##"), ("Västerås", "722 ##")),
    ),
)
