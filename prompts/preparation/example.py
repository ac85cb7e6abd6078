import csv

shops = {}
for line in open("data/shops.txt"):
    number, city = line.strip().split(";")
    shops[number] = city

seen = {}
rows = []
with open("data/sales.csv", newline="") as f:
    for r in csv.DictReader(f):
        if r["kind"] == "test":
            continue
        city = shops[r["shop"]]
        seen[city] = seen.get(city, 0) + 1
        rows.append((r["id"], city, float(r["amount"]), seen[city]))

with open("out/large.tsv", "w") as f:
    f.write("id\tcity\tamount\n")
    for sale, city, amount, n in rows:
        if amount > 50:
            f.write("%s\t%s\t%.2f\n" % (sale, city, amount))
