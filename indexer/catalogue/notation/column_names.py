"""The names that columns have in shops, by role, in thirteen languages.

These are English, Chinese, German, French, Spanish, Italian, Portuguese, Dutch, Polish, Japanese, Swedish, Danish and
Norwegian.
Names are normalized: lower case, without accents, letters and digits only. The most specific name stands first.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_LANGUAGE_SUFFIX = re.compile(
    r"[\s_\-.(\[:]+[a-z]{2}([_-][a-z]{2})?[)\]]?$|-[a-z]{2}_[a-z]{2}-\w+$", re.IGNORECASE
)
_BRACKETS = re.compile(r"(?<=\S)\s*[(\[][^()\[\]]*[)\]]$")


@lru_cache(maxsize=1 << 14)
def normalized(name: str) -> str:
    """Return the name in lower case without accents, spaces and signs: `Größe (cm)` is `grossecm`."""
    letters = unicodedata.normalize("NFKD", name.casefold().replace("ł", "l").replace("ø", "o"))
    return "".join(c for c in letters if c.isalnum() and not unicodedata.combining(c))


def without_language(name: str) -> str:
    """Return the name without what is no part of it at its end.

    That is a language (`title_de`, `Title (en-US)`), one with a channel (`name-en_US-print`), or brackets
    (`Tags (x,y,z)`, `Price (EUR)`).
    """
    return _BRACKETS.sub("", _LANGUAGE_SUFFIX.sub("", name))


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(normalized(name) for name in text.split("|")))


IDS = _names(
    "id|sku|product id|item id|asin|parent asin|product code|article id|article number|uid|product sku|item sku|item code|"
    "item number|product number|product key|uniq id|unique id|object id|"
    "artikelnummer|artikel nr|art nr|artikelnr|artnr|artikel id|produktnummer|produkt nr|produkt id|bestellnummer|"
    "référence|ref|réf|code article|id produit|référence produit|code produit|identifiant|"
    "referencia|código|id producto|código de producto|código producto|referencia producto|"
    "codice|codice articolo|codice prodotto|riferimento|id prodotto|código do produto|referência|id produto|"
    "productnummer|artikelcode|numer katalogowy|kod|kod produktu|symbol|indeks|id produktu|"
    "varenummer|varenr|produktnr|artikkelnummer|tuotenumero|"
    "商品编号|商品编码|商品id|产品编号|产品id|货号|编号|商品番号|商品コード|品番|型番|"
    "variant sku|handle|slug|mpn|ean|gtin|upc|isbn"
)
TITLES = _names(
    "title|product title|name|product name|product display name|item name|label|heading|"
    "bezeichnung|artikelbezeichnung|produktbezeichnung|titel|produkttitel|artikelname|produktname|artikel|"
    "titre|nom|nom du produit|nom produit|désignation|libellé|intitulé|"
    "título|nombre|nombre del producto|nombre producto|denominación|"
    "titolo|nome|nome prodotto|denominazione|nome do produto|nome produto|productnaam|naam|omschrijving kort|artikelnaam|"
    "nazwa|nazwa produktu|tytuł|namn|produktnamn|benämning|navn|varenavn|produktnavn|tittel|"
    "标题|商品标题|产品标题|名称|商品名称|产品名称|品名|商品名|商品名称|製品名|タイトル|名前"
)
TEXTS = _names(
    "description|short description|long description|full description|product description|item description|desc|long desc|"
    "short desc|product desc|overview|about|content|summary|subtitle|body|body html|body text|product text|details|"
    "product details|features|key features|highlights|bullet points|"
    "beschreibung|kurzbeschreibung|langbeschreibung|produktbeschreibung|artikelbeschreibung|merkmale|beschreibungstext|"
    "description courte|description longue|descriptif|résumé|caractéristiques|"
    "descripción|descripción corta|descripción larga|resumen|detalles|características|"
    "descrizione|descrizione breve|dettagli|caratteristiche|descrição|descrição curta|detalhes|"
    "beskrivning|produktbeskrivning|beskrivelse|produktbeskrivelse|kort beskrivelse|varebeskrivelse|"
    "omschrijving|beschrijving|productomschrijving|kenmerken|opis|opis produktu|krótki opis|"
    "描述|商品描述|产品描述|详情|商品详情|简介|说明|产品说明|卖点|説明|商品説明|詳細|特徴"
)
CREATED = _names(
    "created|created at|date added|date created|date released|release date|launch date|published|published at|"
    "erscheinungsdatum|veröffentlicht|veröffentlicht am|erstellt|erstellt am|anlagedatum|erstelldatum|einführungsdatum|"
    "date de sortie|date de parution|date création|date de création|créé le|date ajout|date d'ajout|mise en ligne|"
    "fecha de creación|fecha creación|fecha de lanzamiento|fecha lanzamiento|fecha alta|fecha de alta|publicado|creado|"
    "data di creazione|data creazione|data di uscita|data de criação|data de lançamento|aanmaakdatum|releasedatum|"
    "skapad|skapad datum|oprettet|oprettelsesdato|opprettet|udgivet|utgivningsdatum|"
    "datum toegevoegd|data dodania|data utworzenia|data wydania|"
    "上架时间|创建时间|发布时间|发布日期|上市时间|上市日期|上架日期|创建日期|発売日|登録日|公開日"
)
GROUPS = _names(
    "group id|item group id|group|style id|parent id|parent sku|model id|variant of|parent|handle|url handle|product id|"
    "gruppe|gruppen id|modellnummer|modell id|vaterartikel|hauptartikel|elternartikel|"
    "groupe|id groupe|modèle id|id modèle|produit parent|grupo|id grupo|producto padre|modelo id|"
    "款号|商品组|父商品|父编号|spu|spuid"
)
AVAILABLE = _names(
    "in stock|available|is available|availability|is in stock|lieferbar|verfügbar|verfügbarkeit|auf lager|vorrätig|"
    "disponible|disponibilité|en stock|disponibilidad|disponibile|disponibilità|disponível|disponibilidade|em estoque|"
    "i lager|på lager|lager|lagersaldo|lagerantal|lagerstatus|tillgänglig|tilgængelig|tilgjengelig|antal|antall|"
    "op voorraad|beschikbaar|leverbaar|dostępny|dostępność|dostępne|是否有货|有货|库存状态|是否在售|在庫あり|在庫状況|"
    "stock|inventory|stock quantity|qty|quantity|variant inventory qty|bestand|lagerbestand|menge|lagermenge|quantité|"
    "quantité en stock|stock disponible|existencias|cantidad|inventario|giacenza|quantità|estoque|"
    "quantidade|voorraad|aantal|stan magazynowy|ilość|库存|库存数量|库存量|在庫|在庫数"
)
LANGUAGES = _names("language|lang|locale|language code|sprache|langue|idioma|lingua|taal|język|语言|言語")
PRICES = _names(
    "price|current price|selling price|sales price|final price|variant price|price amount|price value|unit price|"
    "regular price|preis|verkaufspreis|bruttopreis|einzelpreis|prix|prix ttc|prix de vente|tarif|precio|precio final|"
    "pris|salgspris|utpris|försäljningspris|udsalgspris|veiledende pris|"
    "precio venta|pvp|prezzo|prezzo finale|preço|preço final|prijs|verkoopprijs|cena|cena brutto|"
    "价格|售价|单价|商品价格|現価|現在価格|価格|販売価格|値段"
)
# Keywords by name alone, because a small sample may contain each of their values only once.
KEYWORDS = _names(
    "category|categories|cat|cats|product type|department|brand|manufacturer|vendor|color|colour|size|gender|material|"
    "season|tags|tag|product category|google product category|collection|"
    "kategorie|kategorien|warengruppe|produktgruppe|marke|hersteller|farbe|größe|geschlecht|saison|abteilung|"
    "catégorie|catégories|marque|fabricant|couleur|taille|genre|matière|matériau|saison|rayon|"
    "categoría|categorías|marca|fabricante|talla|tamaño|género|temporada|sección|etiquetas|"
    "categoria|marchio|marca|produttore|colore|taglia|genere|materiale|stagione|reparto|fabricante|cor|tamanho|gênero|"
    "kategori|kategorier|varumärke|märke|mærke|merke|varemerke|färg|farve|farge|storlek|størrelse|kön|køn|kjønn|"
    "merk|fabrikant|kleur|maat|geslacht|materiaal|seizoen|afdeling|marka|producent|kolor|rozmiar|płeć|materiał|dział|"
    "类别|分类|类目|商品分类|商品类别|品牌|厂商|颜色|尺码|尺寸|性别|材质|季节|标签|カテゴリ|カテゴリー|ブランド|メーカー|色|カラー|サイズ|素材|性別"
)
LISTS = _names(
    "tags|tag|categories|cats|keywords|labels|collections|colors|colours|sizes|materials|features list|attribute values|"
    "kategorien|schlagwörter|stichwörter|farben|größen|etiketten|"
    "catégories|mots clés|étiquettes|couleurs|tailles|categorías|etiquetas|palabras clave|colores|tallas|"
    "标签|分类|类目|关键词|关键字|颜色|尺码"
)
# Lists of names and of the numbers of other tables, never decimals: the categories 20,24.
CATEGORY_LISTS = _names(
    "tags|tag|categories|cats|category|category ids|category id|keywords|labels|collections|kategorien|kategorie|"
    "catégories|mots clés|étiquettes|categorías|etiquetas|palabras clave|标签|分类|类目|关键词|关键字"
)
_PRICE = re.compile(
    r"price|cost|amount|msrp|rrp|preis|uvp|betrag|kosten|prix|tarif|montant|cout|precio|coste|importe|pvp|prezzo|costo|"
    r"preco|prijs|^pris$|pris$|^cena|价格|售价|原价|单价|市场价|金额|价$|価格|値段"
)
_DATE = re.compile(
    r"date|time|timestamp|created|updated|modified|published|released|(?<![a-z])(at|on|since|until)$|datum|zeit|erstellt|"
    r"geandert|veroffentlicht|dato|skapad|oprettet|(?<![a-z])am$|jour|cree|publie|modifie|fecha|hora|creado|publicado|(?<![a-z])data(?![a-z])|"
    r"日期|时间|日時|発売日|登録日"
)
_CODE = re.compile(
    r"(^|[^a-z])(ean|gtin|upc|isbn|mpn|sku|asin|jan|oem)s?\d{0,2}($|[^a-z])|"
    r"(bar|product|item|article|part|style|model) ?code|"
    r"(model|part|item|article|product|style|catalog|catalogue|manufacturer) ?(number|num|no|nr)$|"
    r"(artikel|bestell|teile|modell|hersteller|produkt|material|oe|katalog)[a-z ]*(nummer|nr)$|artnr|"
    r"reference|referenz|^ref$|code ?(article|produit|barres?)|codigo|referencia|"
    r"编号|编码|货号|条码|条形码|型号"
)


@lru_cache(maxsize=1 << 12)
def is_code_name(name: str) -> bool:
    """Return whether the name is that of a column of product codes: SKU, EAN, article or model number."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)  # skuCode
    folded = "".join(
        c for c in unicodedata.normalize("NFKD", spaced.casefold()) if not unicodedata.combining(c)
    )
    return bool(_CODE.search(re.sub(r"[\W_]+", " ", folded).strip()))


_IMAGE = re.compile(
    r"image|img|picture|photo|^pics?$|thumb|gallery|media$|bild(?!schirm)|foto|imagen|imagem|immagin|afbeelding|zdjeci|obraz|galer|图|写真|画像"
)


@lru_cache(maxsize=1 << 12)
def is_image_name(name: str) -> bool:
    """Return whether the name is that of a column of pictures."""
    return bool(_IMAGE.search(normalized(name)))


_OTHER_PRICE = re.compile(
    r"old|compare|uvp|msrp|rrp|list|was|orig|cost|kosten|coste|costo|ship|deliver|versand|tax|steuer|min|max|per|grund|base|"
    r"regular|previous|streich|alt|barre|tachado|anterior|market|wholesale|purchase|einkauf|netto|net$|原价|市场价|划线"
)


def is_other_price_name(name: str) -> bool:
    """Return whether the name is that of an amount of money which is not what the product costs today."""
    return bool(_OTHER_PRICE.search(normalized(name)))


@lru_cache(maxsize=1 << 12)
def is_price_name(name: str) -> bool:
    """Return whether the name is that of a column of amounts of money."""
    return bool(_PRICE.search(normalized(name)))


@lru_cache(maxsize=1 << 12)
def is_date_name(name: str) -> bool:
    """Return whether the name is that of a column of dates or times."""
    folded = "".join(
        c for c in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(c)
    )
    return bool(_DATE.search(folded))
