CREATE TABLE items (
    cart INTEGER NOT NULL REFERENCES carts (id),
    sku TEXT NOT NULL,
    quantity INTEGER NOT NULL CHECK (quantity > 0)
);
