CREATE INDEX items_by_cart ON items (cart);
