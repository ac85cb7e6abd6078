"""Small pandas programs, run as Python and as the pipeline they were lifted to: the same files come out."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable

import pytest

ORDERS = """id,shop,city,price,amount,note,day,grade
1,a, berlin ,2.5,3,new,2023-01-05,A
2,b,HAMBURG,,1,,2023-01-06,B
3,a,berlin,4.0,2,old stock,2023-02-01,A
4,c,,1.5,7,new,2023-02-11,C
5,b,Hamburg,9.25,1,sale 10 %,2023-03-05,B
6,,köln,3.0,4,new,2023-03-06,A
7,a,Köln,2.5,3,old,2023-03-07,D
8,c,berlin,0.5,10,,2023-03-08,B
"""
SHOPS = """shop,region,since
a,north,2001
b,south,2010
d,west,1999
"""
FILES = {"orders.csv": ORDERS, "shops.csv": SHOPS}
START = "import numpy as np\nimport pandas as pd\ndf = pd.read_csv('orders.csv')\n"
PROGRAMS = {
    "assign": "df['total'] = df['price'] * df['amount']\ndf['half'] = df['amount'] / 2 + 1\ndf = df[['id', 'total', 'half']]",
    "text": "df['city'] = df['city'].str.strip().str.title()\ndf['n'] = df['note'].str.len()\ndf['first'] = df['note'].str[:3]\n"
    "df['up'] = df['shop'].str.upper()\ndf = df[['id', 'city', 'n', 'first', 'up']]",
    "split": "df['word'] = df['note'].str.split(' ').str[0]\ndf['second'] = df['note'].str.split(' ').str[1]\n"
    "df['last'] = df['note'].str.split(' ').str[-1]\ndf = df[['id', 'word', 'second', 'last']]",
    "extract": "df['num'] = df['note'].str.extract(r'(\\d+)')[0].astype(float)\ndf['sale'] = df['note'].str.contains('sale|old', na=False)\n"
    "df['new'] = df['note'].str.startswith('new', na=False)\ndf = df[['id', 'num', 'sale', 'new']]",
    "replace": "df['note'] = df['note'].str.replace(' ', '_').str.replace(r'[0-9]+', '#', regex=True)\n"
    "df['grade'] = df['grade'].replace({'A': 'top', 'B': 'good'})\ndf = df[['id', 'note', 'grade']]",
    "masks": "df = df[(df['price'] > 1) & ~df['shop'].isin(['c']) | (df['amount'] >= 10)]\ndf = df[['id', 'shop']]",
    "not_equal": "df = df[df['shop'] != 'a']\ndf = df[['id', 'shop', 'price']]",
    "loc": "df.loc[df['price'] > 3, 'price'] = 3.0\ndf.loc[df['grade'] == 'A', ['note', 'city']] = 'x'\n"
    "df.loc[df['amount'] > 5, 'big'] = 1\ndf = df[['id', 'price', 'note', 'city', 'big']]",
    "map": "df['points'] = df['grade'].map({'A': 3, 'B': 2})\ndf['points'] = df['points'].fillna(0)\n"
    "df['long'] = df['shop'].map(lambda s: s + '!' if s == 'a' else 'other')\ndf = df[['id', 'points', 'long']]",
    "fill": "df['price'] = df['price'].fillna(df['price'].mean())\ndf['shop'] = df['shop'].fillna('?')\n"
    "df['note'] = df['note'].fillna(df['grade'])\ndf = df[['id', 'price', 'shop', 'note']]",
    "dropna": "df = df.dropna(subset=['price', 'shop'])\ndf = df[['id', 'price', 'shop']]",
    "apply_row": "def level(row):\n    if row['price'] > 3:\n        return 'high'\n    elif row['amount'] > 5:\n        return 'many'\n    return 'low'\n"
    "df['level'] = df.apply(level, axis=1)\ndf['x'] = df.apply(lambda r: r['price'] * 2 if r['grade'] == 'A' else 0.0, axis=1)\n"
    "df = df[['id', 'level', 'x']]",
    "apply_none": "def f(r):\n    if r['amount'] > 2:\n        return r['amount'] * 1.5\n    return None\ndf['y'] = df.apply(f, axis=1)\n"
    "df['y'] = df['y'].fillna(-1)\ndf = df[['id', 'y']]",
    "where": "df['kind'] = np.where(df['price'] > 2, 'dear', 'cheap')\ndf['c'] = df['amount'].clip(2, 5)\n"
    "df['w'] = df['price'].where(df['amount'] > 2)\ndf['b'] = df['amount'].between(2, 4)\ndf = df[['id', 'kind', 'c', 'w', 'b']]",
    "select": "df['k'] = np.select([df['amount'] > 5, df['amount'] > 2], ['many', 'some'], default='few')\ndf = df[['id', 'k']]",
    "group_named": "df = df.groupby('shop').agg(n=('id', 'count'), total=('price', 'sum'), mean=('price', 'mean'),\n"
    "    cities=('city', 'nunique'), last=('note', 'last'), low=('amount', 'min')).reset_index()",
    "group_dict": "df = df.groupby(['shop', 'grade'], as_index=False).agg({'price': 'max', 'amount': 'sum'})",
    "group_one": "df = df.groupby('grade')['amount'].sum().reset_index()",
    "group_size": "df = df.groupby('grade').size().reset_index(name='n')",
    "group_std": "df = df.groupby('shop')['amount'].agg(['mean', 'std', 'median']).reset_index()",
    "transform": "df['m'] = df.groupby('shop')['amount'].transform('mean')\ndf['d'] = df['amount'] - df['m']\ndf = df[['id', 'm', 'd']]",
    "windows": "df['prev'] = df.groupby('shop')['amount'].shift(1)\ndf['diff'] = df['amount'].diff()\ndf['n'] = df.groupby('shop').cumcount()\n"
    "df['sum'] = df['amount'].cumsum()\ndf['r'] = df['amount'].rank()\ndf['rd'] = df.groupby('grade')['amount'].rank(method='dense', ascending=False)\n"
    "df = df[['id', 'prev', 'diff', 'n', 'sum', 'r', 'rd']]",
    "rolling": "df['roll'] = df['amount'].rolling(3).mean()\ndf['roll1'] = df['amount'].rolling(2, min_periods=1).sum()\ndf = df[['id', 'roll', 'roll1']]",
    "sort": "df = df.sort_values(['grade', 'amount'], ascending=[True, False])\ndf = df[['id', 'grade', 'amount']]",
    "sort_reset": "df = df.sort_values(['amount', 'id']).reset_index(drop=True)\ndf['place'] = np.arange(len(df))\ndf = df[['id', 'place']]",
    "duplicates": "df = df.drop_duplicates(subset=['shop'], keep='last')\ndf = df[['id', 'shop']]",
    "merge_left": "shops = pd.read_csv('shops.csv')\ndf = df.merge(shops, on='shop', how='left')\ndf['region'] = df['region'].fillna('?')\n"
    "df['age'] = 2023 - df['since']\ndf = df[['id', 'region', 'age']]",
    "merge_inner": "shops = pd.read_csv('shops.csv').rename(columns={'shop': 'code'})\ndf = pd.merge(df, shops, left_on='shop', right_on='code')\n"
    "df = df[['id', 'code', 'region']]",
    "merge_many": "pairs = df[['id', 'grade']].merge(df[['grade', 'amount']], on='grade', suffixes=('', '_o'))\ndf = pairs[pairs['amount'] > 2]",
    "merge_group": "per = df.groupby('grade').agg(total=('amount', 'sum')).reset_index()\ndf = df.merge(per, on='grade')\n"
    "df['share'] = df['amount'] / df['total']\ndf = df[['id', 'share']]",
    "map_series": "mean = df.groupby('grade')['amount'].mean()\ndf['m'] = df['grade'].map(mean)\ndf = df[['id', 'm']]",
    "join": "per = df.groupby('grade').agg(total=('amount', 'sum'))\ndf = df.join(per, on='grade')\ndf = df[['id', 'total']]",
    "concat": "a = df[df['amount'] > 3]\nb = df[df['amount'] <= 1]\ndf = pd.concat([a, b], ignore_index=True)\ndf['k'] = df['amount'] + 1\ndf = df[['id', 'k']]",
    "dates": "df['day'] = pd.to_datetime(df['day'])\ndf['year'] = df['day'].dt.year\ndf['dow'] = df['day'].dt.dayofweek\n"
    "df['since'] = (df['day'] - pd.Timestamp('2023-01-01')).dt.days\ndf['month'] = df['day'].dt.strftime('%Y-%m')\n"
    "df = df[df['day'] >= '2023-02-01']\ndf = df[['id', 'day', 'year', 'dow', 'since', 'month']]",
    "cut": "df['band'] = pd.cut(df['amount'], [0, 2, 5, 100], labels=['s', 'm', 'l'])\ndf['code'] = pd.cut(df['amount'], [0, 2, 5, 100], labels=False, right=False)\n"
    "df = df[['id', 'band', 'code']]",
    "numeric": "df['p'] = pd.to_numeric(df['note'].str.extract(r'(\\d+)')[0], errors='coerce')\ndf['l'] = np.log1p(df['amount'])\n"
    "df['i'] = df['amount'].astype(float).round(1)\ndf['s'] = df['amount'].astype(str) + '-' + df['grade']\ndf = df[['id', 'p', 'l', 'i', 's']]",
    "in_place": "df.rename(columns={'amount': 'n'}, inplace=True)\ndf.drop(columns=['note', 'city'], inplace=True)\ndf.sort_values(['n', 'id'], inplace=True)\n"
    "df.reset_index(drop=True, inplace=True)\ndf = df[['id', 'n']]",
    "assign_method": "df = df.assign(t=df['price'] * 2, u=lambda d: d['amount'] + 1)\ndf = df[['id', 't', 'u']]",
    "iterrows": "rows = []\nfor i, r in df.iterrows():\n    if r['amount'] < 2:\n        continue\n    rows.append({'id': r['id'], 'twice': r['amount'] * 2})\ndf = pd.DataFrame(rows)",
    "itertuples": "rows = []\nfor r in df.itertuples():\n    rows.append({'id': r.id, 'x': r.amount + 1})\ndf = pd.DataFrame(rows)",
    "melt": "df = df.melt(id_vars=['id'], value_vars=['price', 'amount'], var_name='what', value_name='v')",
    "columns": "df = df[['id', 'amount']].copy()\ndf.columns = ['key', 'n']\ndf['n'] += 1",
    "semi_join": "shops = pd.read_csv('shops.csv')\ndf = df[df['shop'].isin(shops['shop'])]\ndf = df[['id', 'shop']]",
    "value_counts": "counts = df['grade'].value_counts()\nrare = counts[counts < 2].index\ndf.loc[df['grade'].isin(rare), 'grade'] = 'other'\ndf = df[['id', 'grade']]",
    "function": "def clean(d):\n    d = d.copy()\n    d['z'] = d['amount'] * 10\n    return d[d['z'] > 10]\ndf = clean(df)\ndf = df[['id', 'z']]",
    "mean_scalar": "m = df['amount'].mean()\ndf['above'] = (df['amount'] > m).astype(int)\ndf = df[['id', 'above']]",
    "duplicated": "df['again'] = df.duplicated(subset=['grade'])\ndf = df[~df['again']]\ndf = df[['id', 'grade']]",
    "head_free": "df = df[df.grade == 'A']\ndf = df[['id', 'grade']]",
    "at_loop": "df['flag'] = 0\nfor i, r in df.iterrows():\n    if r['amount'] > 3:\n        df.at[i, 'flag'] = 1\ndf = df[['id', 'flag']]",
    "group_loop": "rows = []\nfor k, g in df.groupby('grade'):\n    rows.append({'grade': k, 'n': len(g), 'total': g['amount'].sum(), 'dear': int((g['price'] > 2).sum())})\ndf = pd.DataFrame(rows)",
    "decimal_free_tsv": "df['t'] = df['amount'] % 2 == 0\ndf['q'] = df['amount'] // 2\ndf = df[['id', 't', 'q']]",
}  # fmt: skip


def cells(text: str) -> list[list[object]]:
    """A file as rows of cells, numbers as floats."""

    def cell(value: str) -> object:
        try:
            return float(value)
        except ValueError:
            return value

    return [[cell(x) for x in row] for row in csv.reader(io.StringIO(text))]


def same(a: list[list[object]], b: list[list[object]]) -> bool:
    """Whether two files hold the same cells, floats within rounding."""
    if len(a) != len(b) or any(len(x) != len(y) for x, y in zip(a, b, strict=True)):
        return False
    pairs = [(p, q) for x, y in zip(a, b, strict=True) for p, q in zip(x, y, strict=True)]
    return all(
        math.isclose(p, q, rel_tol=1e-9, abs_tol=1e-12) if isinstance(p, float) and isinstance(q, float) else p == q
        for p, q in pairs
    )


@pytest.mark.parametrize("name", PROGRAMS)
def test_same_file(name: str, both: Callable) -> None:
    """The file that the program writes is the one its pipeline writes."""
    ran = both(START + PROGRAMS[name] + "\ndf.to_csv('out.csv', index=False)\n", FILES)
    assert not ran.lifted.refusals, [str(r) for r in ran.lifted.refusals]
    assert same(cells(ran.rendered["out.csv"]), cells(ran.written["out.csv"])), ran.rendered["out.csv"]
