"""Names of events, as trackers write them, and what each means for training: a click, a cart addition, a purchase."""

from __future__ import annotations

import re
from collections.abc import Mapping

CLICK, CART, PURCHASE, IGNORE = "click", "cart", "purchase", "ignore"
GAINS = {CLICK: 1.0, CART: 2.0, PURCHASE: 3.0}
KINDS = (*GAINS, IGNORE)

# A name in lower case with underscores; `normalised` brings the other spellings to it.
_NAMES = {
    CLICK: (
        "click clicked click_through clickthrough item_click item_clicked product_click product_clicked hit_click "
        "result_click result_clicked search_click search_result_click search_result_clicked select_item item_select "
        "item_selected product_select product_selected open_product product_open"
    ),
    CART: (
        "cart cart_add add_cart add_to_cart added_to_cart addtocart item_add_to_cart item_added item_added_to_cart "
        "product_add_to_cart product_added product_added_to_cart add_item_to_cart add_product_to_cart basket "
        "add_to_basket added_to_basket addtobasket add_to_bag added_to_bag"
    ),
    PURCHASE: (
        "purchase purchased product_purchase product_purchased item_purchase item_purchased order ordered item_order "
        "item_ordered product_order product_ordered order_completed order_complete order_placed place_order "
        "complete_order buy bought product_bought item_bought checkout_completed transaction sale sold"
    ),
    # A view is ignored as well: one tracker sends it when a product appears, another when its page opens.
    IGNORE: (
        "view viewed watch item_view item_viewed product_view product_viewed view_item view_product detail_view "
        "product_detail_view view_content page_view pageview impression impressions item_impression "
        "product_impression product_list_viewed view_item_list search searched on_search query search_query "
        "view_search_results type_filter brand_filter filter sort product_sort hover product_hover item_hover scroll "
        "dwell login logout new_user_entry session_start session_end remove_from_cart removed_from_cart "
        "product_removed begin_checkout checkout checkout_started"
    ),
}
ACTIONS: Mapping[str, str] = {name: kind for kind, names in _NAMES.items() for name in names.split()}


def normalised(name: str) -> str:
    """Return a name in lower case with underscores: `addToCart`, `add-to-cart` and `Add to cart` are one name."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return re.sub(r"[\W_]+", "_", words).strip("_").lower()


def kind_of(name: str, own: Mapping[str, str]) -> str | None:
    """Return what an event of this name means, one of `KINDS`; None for an unknown name.

    `own` maps the normalised names that a shop has set, and is asked first.
    """
    key = normalised(name)
    return own.get(key) or ACTIONS.get(key)
