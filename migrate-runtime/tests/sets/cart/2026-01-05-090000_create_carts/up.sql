CREATE TABLE carts (
    id INTEGER PRIMARY KEY,
    customer TEXT NOT NULL
);
