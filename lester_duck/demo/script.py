# who should be called back?  angry letters of our better customers
#  (1) read customers and letters, keep the interesting ones -> work/letters.tsv
#  (2) numbers out of the words
#  (3) small network
import os
import zlib
from datetime import datetime

import numpy as np
from sklearn.neural_network import MLPClassifier

COUNTRIES = ["NL", "BE", "DE", "AT"]
WIDTH = 64

NEGATIVE = ["furious", "useless", "awful", "disgrace", "impolite", "wrong", "waited"]
POSITIVE = ["thanks", "kind", "pleased", "splendid", "quick", "solved"]


def mood(text):
    points = 0
    for w in text.lower().split():
        w = w.strip(".,!?")
        if w in NEGATIVE:
            points = points - 1
        elif w in POSITIVE:
            points = points + 1
    if points < 0:
        return "negative"
    if points > 0:
        return "positive"
    return "neutral"


os.makedirs("work", exist_ok=True)

# (1) ------------------------------------------------------------------
by_email = {}
for line in open("customers.csv", encoding="utf-8"):
    customer_id, customer_email, bank, country, level = line.strip().split(",")
    if country not in COUNTRIES:
        continue
    premium = False
    if level == "premium":
        premium = True
    by_email[customer_email] = {"bank": bank, "country": country, "premium": premium}

strangers = 0
out = open("work/letters.tsv", "w", encoding="utf-8")
for line in open("mails.csv", encoding="utf-8"):
    fields = line.rstrip("\n").split(",")
    mail_id = fields[0]
    sender = fields[1]
    sent = fields[2]
    subject = fields[3]
    body = fields[4]

    # everything before 2022 is in the archive
    if datetime.strptime(sent, "%d/%m/%Y %H:%M") < datetime(2022, 1, 1):
        continue
    if not ("complaint" in body or "refund" in body or "account" in body):
        continue
    if sender not in by_email:
        strangers += 1
        continue
    who = by_email[sender]
    out.write("\t".join([
        subject.lower(),
        body.lower(),
        who["bank"],
        who["country"],
        mood(body),
        str(who["premium"]),
    ]) + "\n")
out.close()
print("letters of strangers:", strangers)

# (2) ------------------------------------------------------------------
titles, bodies, lands, moods, premiums = [], [], [], [], []
with open("work/letters.tsv", encoding="utf-8") as f:
    for line in f:
        title, text, bank, land, feeling, is_premium = line.rstrip("\n").split("\t")
        titles.append(title)
        bodies.append(text)
        lands.append(land)
        moods.append(feeling)
        premiums.append(is_premium == "True")


def word_vector(s):
    v = np.zeros(WIDTH)
    for w in s.split():
        v[zlib.crc32(w.encode("utf-8")) % WIDTH] += 1
    return v


title_part = np.array([word_vector(t) for t in titles])
body_part = np.array([word_vector(t) for t in bodies])

length = np.array([len(t) for t in titles], dtype=float)
length = (length - length.mean()) / length.std()

land_part = np.zeros((len(lands), len(COUNTRIES)))
for i, c in enumerate(lands):
    land_part[i, COUNTRIES.index(c)] = 1.0

X = np.hstack([title_part, body_part, length.reshape(-1, 1), land_part])
y = np.array([1 if m == "negative" and p else 0 for m, p in zip(moods, premiums)])
print("X", X.shape, "to call back:", int(y.sum()))

# (3) ------------------------------------------------------------------
net = MLPClassifier(hidden_layer_sizes=(32,), max_iter=20, random_state=1)
net.fit(X, y)
print("fits its own letters:", round(net.score(X, y), 3))
