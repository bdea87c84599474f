"""The vocabulary of the sample: categories, their English and Chinese names, and brands."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A category: its names, its shapes with their Chinese names, price and material."""

    nouns: tuple[str, ...]  # the first is the category's own name
    chinese: str
    shapes: dict[str, str]
    price: float  # the median, in the shop's currency
    materials: tuple[str, ...]
    worn: bool = True
    share: float = 1.0  # of the catalogue, against the other categories
    seasons: tuple[str, ...] = ()


ALL_YEAR = ("spring", "summer", "autumn", "winter")

KINDS: dict[str, Kind] = {
    "dress": Kind(
        ("dress", "frock"),
        "连衣裙",
        {"v-neck": "V领", "round-neck": "圆领", "halter": "挂脖"},
        59,
        ("cotton", "viscose", "linen"),
        share=1.3,
        seasons=("spring", "summer"),
    ),
    "shirt": Kind(
        ("shirt",),
        "衬衫",
        {"long-sleeved": "长袖", "short-sleeved": "短袖"},
        42,
        ("cotton", "linen", "flannel"),
        share=1.2,
        seasons=ALL_YEAR,
    ),
    "t-shirt": Kind(
        ("t-shirt", "tee"),
        "T恤",
        {"crew-neck": "圆领", "v-neck": "V领"},
        22,
        ("cotton", "jersey"),
        share=1.1,
        seasons=("spring", "summer"),
    ),
    "trousers": Kind(
        ("trousers", "pants"),
        "裤子",
        {"wide-leg": "阔腿", "slim": "修身", "cropped": "九分"},
        52,
        ("cotton", "wool", "linen"),
        seasons=ALL_YEAR,
    ),
    "skirt": Kind(
        ("skirt",),
        "半身裙",
        {"mini": "迷你", "pleated": "百褶", "maxi": "长款"},
        40,
        ("cotton", "viscose", "wool"),
        seasons=("spring", "summer", "autumn"),
    ),
    "sneaker": Kind(
        ("sneakers", "trainers"),
        "运动鞋",
        {"low-top": "低帮", "high-top": "高帮"},
        75,
        ("canvas", "leather", "mesh"),
        share=1.2,
        seasons=ALL_YEAR,
    ),
    "boot": Kind(
        ("boots",),
        "靴子",
        {"ankle": "短筒", "knee-high": "高筒"},
        115,
        ("leather", "suede", "rubber"),
        seasons=("autumn", "winter"),
    ),
    "bag": Kind(
        ("bag",),
        "包",
        {"tote": "托特", "backpack": "双肩", "handbag": "手提"},
        68,
        ("canvas", "leather", "nylon"),
        share=1.3,
        seasons=ALL_YEAR,
    ),
    "hat": Kind(
        ("hat",),
        "帽子",
        {"baseball": "棒球", "bucket": "渔夫", "beanie": "针织"},
        24,
        ("cotton", "wool", "straw"),
        seasons=ALL_YEAR,
    ),
    "watch": Kind(
        ("watch", "wristwatch"),
        "手表",
        {"round": "圆形", "square": "方形"},
        140,
        ("steel", "leather", "textile"),
        seasons=ALL_YEAR,
    ),
    "mug": Kind(
        ("mug", "cup"),
        "马克杯",
        {"straight": "直筒", "rounded": "圆肚", "tall": "高身"},
        14,
        ("stoneware", "porcelain", "enamel"),
        worn=False,
    ),
    "vase": Kind(
        ("vase",),
        "花瓶",
        {"tall": "高颈", "round": "圆肚"},
        35,
        ("stoneware", "porcelain", "glass"),
        worn=False,
        share=0.7,
    ),
    "lamp": Kind(
        ("lamp", "table lamp"),
        "台灯",
        {"round": "圆形", "cone": "锥形", "square": "方形"},
        64,
        ("linen", "paper", "metal"),
        worn=False,
    ),
    "chair": Kind(
        ("chair", "seat"),
        "椅子",
        {"armchair": "扶手", "dining": "餐厅", "stool": "圆凳"},
        160,
        ("beech", "oak", "velvet"),
        worn=False,
    ),
    "cushion": Kind(
        ("cushion", "pillow"),
        "抱枕",
        {"square": "方形", "round": "圆形", "oblong": "长方形"},
        26,
        ("cotton", "linen", "velvet"),
        worn=False,
    ),
    "umbrella": Kind(
        ("umbrella",),
        "雨伞",
        {"dome": "拱形", "wide": "大号"},
        30,
        ("polyester", "nylon"),
        worn=False,
        share=0.7,
        seasons=("spring", "autumn"),
    ),
}

COLOURS: dict[str, tuple[str, ...]] = {
    "red": ("红色", "crimson", "scarlet"),
    "orange": ("橙色", "tangerine"),
    "yellow": ("黄色", "mustard"),
    "green": ("绿色", "olive"),
    "blue": ("蓝色", "navy", "azure"),
    "purple": ("紫色", "violet"),
    "pink": ("粉色", "rose pink"),
    "brown": ("棕色", "chestnut"),
    "beige": ("米色", "sand"),
    "grey": ("灰色", "gray"),
    "black": ("黑色", "jet black"),
    "white": ("白色", "ivory"),
}

PATTERNS: dict[str, tuple[str, ...]] = {
    "plain": ("纯色", "solid"),
    "striped": ("条纹", "stripy"),
    "dotted": ("波点", "polka dot"),
    "checked": ("格子", "gingham"),
    "floral": ("碎花", "flowery"),
    "zigzag": ("锯齿纹", "chevron"),
    "starry": ("星星", "star print"),
}

COLOUR_SHARES = dict(zip(COLOURS, (1.2, 0.7, 0.8, 1.0, 1.4, 0.7, 0.9, 0.8, 0.8, 0.9, 1.4, 1.2), strict=True))
PATTERN_SHARES = dict(zip(PATTERNS, (3.4, 1.4, 1.2, 1.1, 1.3, 0.8, 0.8), strict=True))


@dataclass(frozen=True)
class Brand:
    """A brand; a terse one names neither colour nor pattern."""

    name: str
    chinese: str
    worn: bool
    level: float  # of price and quality; 1 is the middle
    terse: bool = False


BRANDS: tuple[Brand, ...] = (
    Brand("Amberley", "安柏利", True, 1.1),
    Brand("Cobble Row", "石巷", True, 0.8),
    Brand("Fjordal", "峡湾", True, 1.4),
    Brand("Lunetta", "露娜", True, 1.2),
    Brand("Marlow", "马洛", True, 0.9),
    Brand("Northpine", "北松", True, 1.0),
    Brand("Okapi", "霍加", True, 0.7),
    Brand("Studio Nil", "零工坊", True, 1.5, terse=True),
    Brand("Hearthside", "炉边", False, 0.9),
    Brand("Kaolin", "高岭", False, 1.2, terse=True),
    Brand("Lumen & Co", "流明", False, 1.3),
    Brand("Papaver", "罂花", False, 1.0),
    Brand("Tidewood", "潮木", False, 0.8),
)

ADJECTIVES = (
    "classic",
    "everyday",
    "relaxed",
    "handmade",
    "essential",
    "city",
    "weekend",
    "favourite",
    "new",
)
CHINESE_ADJECTIVES = ("经典", "日常", "新款", "手工", "简约", "周末", "都市")
MATERIALS_CHINESE: dict[str, str] = {
    "cotton": "棉",
    "viscose": "粘胶",
    "linen": "亚麻",
    "flannel": "法兰绒",
    "jersey": "针织棉",
    "wool": "羊毛",
    "canvas": "帆布",
    "leather": "皮革",
    "mesh": "网面",
    "suede": "绒面",
    "rubber": "橡胶",
    "nylon": "尼龙",
    "straw": "草编",
    "steel": "钢",
    "textile": "织物",
    "stoneware": "炻瓷",
    "porcelain": "瓷",
    "enamel": "搪瓷",
    "glass": "玻璃",
    "paper": "纸",
    "metal": "金属",
    "beech": "榉木",
    "oak": "橡木",
    "velvet": "丝绒",
    "polyester": "涤纶",
}

# no sentence names colour or pattern
SENTENCES = {
    True: (
        "Made of {material} that grows softer with every wash.",
        "A comfortable cut for long days out.",
        "Goes with almost everything in the wardrobe.",
        "Designed in a small studio and made in short runs.",
        "True to size, with a little room to move.",
        "Light enough to pack, strong enough to keep.",
    ),
    False: (
        "Made of {material}, finished by hand.",
        "A quiet piece for the living room or the desk.",
        "Easy to clean and made to last for years.",
        "A present that nobody sends back.",
        "Packed without plastic.",
        "Each one differs a little from the next.",
    ),
}
CHINESE_SENTENCES = {
    True: ("采用{material}面料，越穿越舒适。", "剪裁宽松，适合日常出行。", "百搭款式，尺码标准。"),
    False: ("{material}材质，手工打磨。", "适合客厅或书桌。", "易清洁，经久耐用，送礼佳选。"),
}
