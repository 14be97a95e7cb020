"""Synthetic exports of platforms with known totals: what each calls its columns, written out beside its source.

The headers come from the sources, not from the recipes of abkit: a recipe that lost a name fails here.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

CREATIVES = ("hero-1.png", "hero-2.jpg", "spring_sale_v3.png")
DAYS = tuple(f"2026-01-{day:02d}" for day in range(1, 5))
# What the ads of the creatives are called: in another case, without extension, with one.
AD_NAMES = ("hero-1.png", "Hero-2", "SPRING_SALE_V3.PNG")


@dataclass(frozen=True, kw_only=True)
class Export:
    """One export.

    Attributes:
        platform: What `platform` shall be for its rows; "" where no signature of the platform is known.
        title: The platform's name for people.
        language: Two letters.
        source: Where the header is published.
        columns: Pairs of a header and what its cells hold: a role of `cells`, or the text that stands in every row.
        currency: What the rows shall have as currency.
        needs_map: Options of `--map` that the file needs, because no source names these columns.
    """

    platform: str
    title: str
    language: str
    source: str
    columns: Sequence[tuple[str, str]]
    currency: str = ""
    needs_map: Sequence[str] = ()

    @property
    def has(self) -> frozenset[str]:
        """The roles of its columns."""
        return frozenset(role for _, role in self.columns)

    def content(self) -> str:
        """The file."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(header for header, _ in self.columns)
        for at, day in enumerate(DAYS):
            for number in range(len(CREATIVES)):
                given = cells(at, number, day)
                writer.writerow(given.get(role, role) for _, role in self.columns)
        return text.getvalue()

    def totals(self) -> dict[str, float]:
        """What the store shall hold of it."""
        rows = [cells(at, number, day) for at, day in enumerate(DAYS) for number in range(len(CREATIVES))]
        has = self.has | {"spend" for role in self.has if role == "spend in millionths"}
        figures = [name for name in ("impressions", "clicks", "conversions", "spend") if name in has]
        return {name: round(sum(float(row[name]) for row in rows), 2) for name in figures}


def cells(at: int, number: int, day: str) -> dict[str, str]:
    """The cells of one ad on one day, by role."""
    return {
        "day": day,
        "ad": f"12020{number:04d}",
        "ad_name": AD_NAMES[number],
        "campaign": "881100",
        "campaign_name": "Spring",
        "ad_set": f"77{number}",
        "ad_set_name": f"Set {number}",
        "account": "4455",
        "account_name": "ACME",
        "impressions": str(10_007 + 1_000 * number + 13 * at),
        "clicks": str(101 + 10 * number + at),
        "all clicks": str(401 + 10 * number + at),
        "conversions": str(5 + number + at),
        "spend": f"{31.5 + number + at / 4:.2f}",
        "spend in millionths": str(31_500_000 + 1_000_000 * number + 250_000 * at),
        "revenue": f"{310.5 + number + at:.2f}",
    }


_CASE = "reported export"
_MUREO = "https://github.com/logly/mureo mureo/byod/adapters/meta_ads.py"
_PAWEN = "https://github.com/Wail17/pawen-command src/lib/ads/csvParser.ts"
_FIELDQUO = "https://github.com/meydayapp/fieldquo lib/googleAds/reportParse.js"
_ORIGINALS = "https://github.com/kangdaelyeol/originalshq sample-data/cmip/generate.mjs"
_ADLOOP = "https://github.com/CommandersAct/Adloop-Documentation"
_STARTHINKER = "https://github.com/google/starthinker"

EXPORTS = [
    Export(
        platform="meta", title="Meta Ads", language="en", source=_CASE, currency="EUR",
        columns=[
            ("Day", "day"), ("Campaign name", "campaign_name"), ("Campaign ID", "campaign"), ("Ad name", "ad_name"),
            ("Ad ID", "ad"), ("Account name", "account_name"), ("Account ID", "account"),
            ("Impressions", "impressions"), ("Link clicks", "clicks"), ("Clicks (all)", "all clicks"),
            ("Amount spent (EUR)", "spend"), ("Results", "conversions"), ("Result indicator", "actions:purchase"),
            ("Reporting starts", "day"), ("Reporting ends", "day"),
        ],
    ),
    Export(
        platform="meta", title="Meta Ads (purchases)", language="en", currency="IDR",
        source="https://github.com/Briyanes/meta-ads-report-generator ctlptopurchase/TTUG-bulan-ini-ad-creative.csv",
        columns=[
            ("Ads", "ad_name"), ("Delivery status", "active"), ("Delivery level", "one ad"), ("Reach", "900"),
            ("Cost per 1,000 Accounts Center accounts reached", "17.2"), ("Impressions", "impressions"),
            ("CPM (cost per 1,000 impressions)", "8.6"), ("Frequency", "1.9"), ("Link clicks", "clicks"),
            ("Outbound clicks", "90"), ("Clicks (all)", "all clicks"), ("CTR (all)", "2.8"), ("CPC (all)", "0.3"),
            ("CTR (link click-through rate)", "1.5"), ("Cost per content view", "7.1"),
            ("Purchases", "conversions"), ("Cost per purchase", "3.1"), ("Purchases conversion value", "revenue"),
            ("Purchase ROAS (return on ad spend)", "2.1"), ("Amount spent (IDR)", "spend"),
            ("Reporting starts", "day"), ("Reporting ends", "day"),
        ],
    ),
    Export(
        platform="meta", title="Meta Ads", language="de", source=_CASE, currency="EUR",
        columns=[
            ("Tag", "day"), ("Name der Kampagne", "campaign_name"), ("Name der Anzeige", "ad_name"),
            ("Impressionen", "impressions"), ("Link-Klicks", "clicks"), ("Ausgegebener Betrag (EUR)", "spend"),
        ],
    ),
    Export(
        platform="meta", title="Meta Ads", language="es", source=_CASE, currency="EUR",
        columns=[
            ("Día", "day"), ("Nombre de la campaña", "campaign_name"), ("Nombre del anuncio", "ad_name"),
            ("Impresiones", "impressions"), ("Clics en el enlace", "clicks"), ("Importe gastado (EUR)", "spend"),
        ],
    ),
    Export(
        platform="meta", title="Meta Ads", language="pt", source=_CASE, currency="BRL",
        columns=[
            ("Dia", "day"), ("Nome da campanha", "campaign_name"), ("Nome do anúncio", "ad_name"),
            ("Impressões", "impressions"), ("Cliques no link", "clicks"), ("Valor usado (BRL)", "spend"),
        ],
    ),
    Export(
        platform="meta", title="Meta Ads", language="ja", source=_MUREO, currency="JPY",
        columns=[
            ("日", "day"), ("キャンペーン名", "campaign_name"), ("広告セット名", "Set"), ("広告名", "ad_name"),
            ("インプレッション", "impressions"), ("クリック(すべて)", "clicks"), ("消化金額 (JPY)", "spend"),
            ("リーチ", "900"), ("フリークエンシー", "1.2"),
        ],
    ),
    Export(
        platform="meta", title="Meta Ads", language="fr",
        source=f"{_MUREO}; https://github.com/logly/mureo/pull/56; {_PAWEN} (Jour)", currency="EUR",
        columns=[
            ("Jour", "day"), ("Nom de la campagne", "campaign_name"), ("Nom de la publicité", "ad_name"),
            ("Impressions", "impressions"), ("Clics sur un lien", "clicks"), ("Montant dépensé (EUR)", "spend"),
        ],
    ),
    Export(
        platform="meta", title="Meta Ads (website purchases)", language="fr", source=_PAWEN, currency="EUR",
        columns=[
            ("Jour", "day"), ("Nom de la campagne", "campaign_name"), ("Nom de l'ensemble de publicités", "Set"),
            ("Nom de la publicité", "ad_name"), ("Portée", "900"), ("Fréquence", "1.2"), ("Impressions", "impressions"),
            ("Clics (tous)", "all clicks"), ("Clics sur le lien", "clicks"), ("Montant dépensé (EUR)", "spend"),
            ("Résultats", "900"), ("Coût par résultat", "0.3"), ("Achats sur le site web", "conversions"),
            ("Valeur de conversion", "revenue"),
        ],
    ),
    Export(
        platform="meta", title="Meta Ads (website purchases)", language="de", source=_PAWEN, currency="EUR",
        columns=[
            ("Datum", "day"), ("Kampagnenname", "campaign_name"), ("Name der Anzeigengruppe", "Set"),
            ("Anzeigenname", "ad_name"), ("Reichweite", "900"), ("Frequenz", "1.2"), ("Impressionen", "impressions"),
            ("Klicks (alle)", "all clicks"), ("Link-Klicks", "clicks"), ("Ausgegebener Betrag (EUR)", "spend"),
            ("Website-Käufe", "conversions"), ("Conversion-Wert", "revenue"),
        ],
    ),
    Export(
        platform="meta", title="Meta Ads (website purchases)", language="es", source=_PAWEN, currency="EUR",
        columns=[
            ("Fecha", "day"), ("Nombre de la campaña", "campaign_name"), ("Nombre del conjunto de anuncios", "Set"),
            ("Nombre del anuncio", "ad_name"), ("Alcance", "900"), ("Frecuencia", "1.2"), ("Impresiones", "impressions"),
            ("Clics (todos)", "clicks"), ("Importe gastado (EUR)", "spend"), ("Compras en el sitio web", "conversions"),
        ],
    ),
    Export(
        platform="meta", title="Meta Ads (website purchases)", language="pt", source=_PAWEN, currency="BRL",
        columns=[
            ("Dia", "day"), ("Nome da campanha", "campaign_name"), ("Nome do conjunto de anúncios", "Set"),
            ("Nome do anúncio", "ad_name"), ("Frequência", "1.2"), ("Impressões", "impressions"),
            ("Cliques (todos)", "clicks"), ("Valor gasto (BRL)", "spend"), ("Compras no site", "conversions"),
        ],
    ),
    Export(
        platform="meta", title="Meta Ads", language="it", source=_PAWEN, currency="EUR",
        columns=[
            ("Giorno", "day"), ("Nome della campagna", "campaign_name"), ("Nome del gruppo di inserzioni", "Set"),
            ("Nome dell'inserzione", "ad_name"), ("Copertura", "900"), ("Frequenza", "1.2"),
            ("Impressioni", "impressions"), ("Clic sul link", "clicks"), ("Clic (tutti)", "all clicks"),
            ("Importo speso (EUR)", "spend"), ("Acquisti sul sito web", "conversions"), ("Risultati", "900"),
        ],
    ),
    Export(
        platform="meta", title="Meta Ads", language="nl", currency="EUR",
        source="https://github.com/servicelinknavigator/meta_ads_automation core/csv_parser.py",
        columns=[
            ("Campagnenaam", "campaign_name"), ("Campagne-ID", "campaign"), ("Naam advertentieset", "Set"),
            ("Naam advertentie", "ad_name"), ("Advertentie-ID", "ad"), ("Dag", "day"), ("Bereik", "900"),
            ("Vertoningen", "impressions"), ("Frequentie", "1.2"), ("Besteed bedrag (EUR)", "spend"),
            ("Klikken (alle)", "all clicks"), ("Linkkliks", "clicks"), ("CTR (alle) (%)", "2.1"),
            ("KPK (alle) (EUR)", "0.3"), ("Resultaten", "conversions"), ("Kosten per resultaat (EUR)", "8.1"),
            ("Resultaatindicator", "actions:offsite_conversion.fb_pixel_purchase"),
        ],
    ),
    Export(
        platform="meta", title="Meta Ads (by platform)", language="nl", currency="EUR",
        source="https://github.com/dm2book/NexusHub server/src/services/adSpendSyncService.js",
        columns=[
            ("Dag", "day"), ("Campagnenaam", "campaign_name"), ("Advertentienaam", "ad_name"),
            ("Weergaven", "impressions"), ("Linkklikken", "clicks"), ("Besteed bedrag (EUR)", "spend"),
        ],
    ),
    Export(
        platform="meta", title="Meta Ads", language="pl", currency="PLN",
        source="https://github.com/jarojarojaro-jaro/JARVO profiles/jarvo-ads/scripts/eksport.py; "
        "https://github.com/ktporebski-spec/campaign-os tests/test_ingest.py (Dzień)",
        columns=[
            ("Dzień", "day"), ("Nazwa kampanii", "campaign_name"), ("Nazwa zestawu reklam", "Set"),
            ("Nazwa reklamy", "ad_name"), ("Wydana kwota (PLN)", "spend"), ("Wyświetlenia", "impressions"),
            ("Kliknięcia linku", "clicks"), ("3-sekundowe odtworzenia filmu", "300"),
        ],
    ),
    Export(
        platform="meta", title="Meta Ads", language="ko", currency="KRW",
        source="https://github.com/Kevinatkorea/Marketing_One tests/adReportMapper.test.ts",
        columns=[
            ("일", "day"), ("캠페인 이름", "campaign_name"), ("광고 세트 이름", "Set"), ("광고 이름", "ad_name"),
            ("노출", "impressions"), ("링크 클릭", "clicks"), ("통화", "KRW"), ("지출 금액 (KRW)", "spend"),
            ("잠재 고객", "conversions"),
        ],
    ),
    Export(
        platform="meta", title="Meta Ads", language="zh", currency="USD",
        source=f"{_MUREO}; https://github.com/jinghuaswsx/AutoVideoSrtLocal appcore/order_analytics/_constants.py",
        columns=[
            ("报告开始日期", "day"), ("报告结束日期", "day"), ("广告系列名称", "campaign_name"), ("广告名称", "ad_name"),
            ("已花费金额 (USD)", "spend"), ("购物转化价值", "revenue"), ("CPM（千次展示费用） (USD)", "3.1"),
            ("链接点击率", "1.0"), ("链接点击量", "clicks"), ("单次成效费用", "3.1"), ("展示次数", "impressions"),
        ],
    ),
    Export(
        platform="meta", title="Meta Ads (purchases)", language="zh", currency="USD",
        source="https://github.com/madalynjaydon43-png/fb-ads-ai-judge metric_views.py",
        columns=[
            ("日期", "day"), ("广告名称", "ad_name"), ("展示次数", "impressions"), ("链接点击次数", "clicks"),
            ("点击量（全部）", "all clicks"), ("已花费金额 (USD)", "spend"), ("购物次数", "conversions"),
        ],
    ),
    Export(
        platform="google-ads", title="Google Ads", language="en", source=_CASE, currency="EUR",
        columns=[
            ("Day", "day"), ("Campaign", "campaign_name"), ("Ad ID", "ad"), ("Creative name", "ad_name"),
            ("Currency code", "EUR"), ("Impr.", "impressions"), ("Clicks", "clicks"), ("CTR", "2.91%"),
            ("Cost", "spend"), ("Conversions", "conversions"), ("Conv. value", "revenue"),
        ],
    ),
    Export(
        platform="google-ads", title="Google Ads", language="de", source=_FIELDQUO, currency="EUR",
        needs_map=["Anzeige=creative"],
        columns=[
            ("Tag", "day"), ("Kampagne", "campaign_name"), ("Anzeige", "ad_name"), ("Währungscode", "EUR"),
            ("Kosten", "spend"), ("Impr.", "impressions"), ("Klicks", "clicks"), ("Conversions", "conversions"),
        ],
    ),
    # What these reports call the ad has no source in these languages: here it is called as Meta calls it.
    Export(
        platform="google-ads", title="Google Ads", language="fr", source=f"{_FIELDQUO}; {_PAWEN} (the ad)", currency="EUR",
        columns=[
            ("Jour", "day"), ("Campagne", "campaign_name"), ("ID de la campagne", "campaign"),
            ("Nom de la publicité", "ad_name"), ("Code de la devise", "EUR"), ("Coût", "spend"),
            ("Impressions", "impressions"), ("Clics", "clicks"), ("Conversions", "conversions"),
        ],
    ),
    Export(
        platform="google-ads", title="Google Ads", language="es", currency="",
        source=f"https://github.com/kaizenics/custora src/api/lib/ads-csv.ts; {_FIELDQUO}; {_PAWEN} (the ad)",
        columns=[
            ("Día", "day"), ("Campaña", "campaign_name"), ("Nombre del anuncio", "ad_name"), ("Impr.", "impressions"),
            ("Clics", "clicks"), ("Coste", "spend"), ("Conversiones", "conversions"),
        ],
    ),
    Export(
        platform="google-ads", title="Google Ads", language="it", source=f"{_FIELDQUO}; {_PAWEN} (the ad)", currency="EUR",
        columns=[
            ("Giorno", "day"), ("Campagna", "campaign_name"), ("Nome dell'inserzione", "ad_name"),
            ("Codice valuta", "EUR"), ("Costo", "spend"), ("Impressioni", "impressions"), ("Clic", "clicks"),
            ("Conversioni", "conversions"),
        ],
    ),
    Export(
        platform="google-ads", title="Google Ads", language="pt", source=f"{_FIELDQUO}; {_PAWEN} (the ad)", currency="BRL",
        columns=[
            ("Dia", "day"), ("Campanha", "campaign_name"), ("Nome do anúncio", "ad_name"), ("Código da moeda", "BRL"),
            ("Impr.", "impressions"), ("Cliques", "clicks"), ("Custo", "spend"), ("Conversões", "conversions"),
        ],
    ),
    Export(
        platform="google-ads", title="Google Ads", language="pl", currency="",
        source="https://github.com/ktporebski-spec/campaign-os tests/test_ingest.py; "
        "https://github.com/jarojarojaro-jaro/JARVO profiles/jarvo-ads/scripts/eksport.py (the ad)",
        columns=[
            ("Dzień", "day"), ("Kampania", "campaign_name"), ("Identyfikator kampanii", "campaign"),
            ("Grupa reklam", "Set"), ("Nazwa reklamy", "ad_name"), ("Wyświetl.", "impressions"),
            ("Kliknięcia", "clicks"), ("Koszt", "spend"), ("Konwersje", "conversions"), ("Wartość konw.", "revenue"),
            ("CTR", "1.0%"),
        ],
    ),
    Export(
        platform="google-ads", title="Google Ads", language="ja", currency="JPY",
        source=f"https://github.com/wms-yoshimoto-ai/Claude fetch_ad_daily.py; {_MUREO} (the ad's name)",
        columns=[
            ("日", "day"), ("広告の種類", "イメージ広告"), ("広告 ID", "ad"), ("広告名", "ad_name"),
            ("キャンペーン", "campaign_name"), ("広告グループ", "Set"), ("広告の状態", "有効"), ("クリック数", "clicks"),
            ("表示回数", "impressions"), ("クリック率", "1.0%"), ("通貨コード", "JPY"), ("費用", "spend"),
            ("コンバージョン", "conversions"), ("コンバージョン単価", "310"), ("平均クリック単価", "31"),
        ],
    ),
    Export(
        platform="google-ads", title="Google Ads", language="ko", source=f"{_ORIGINALS}; {_MUREO} (the ad)",
        columns=[
            ("날짜", "day"), ("캠페인", "campaign_name"), ("캠페인 상태", "사용 설정됨"), ("광고 이름", "ad_name"),
            ("노출수", "impressions"), ("클릭수", "clicks"), ("비용", "spend"), ("전환수", "conversions"),
            ("전환 가치", "revenue"),
        ],
    ),
    Export(
        platform="google-ads", title="Google Ads (API)", language="en",
        source="https://github.com/jaspervdheide/google-ads-dashboard Next.js/src/app/api/ads/route.ts; "
        "https://github.com/mohamed1nashaat/RB-Benchmarking app/Services/GoogleAdsService.php",
        currency="USD",
        columns=[
            ("segments.date", "day"), ("customer.id", "account"), ("customer.currency_code", "USD"),
            ("campaign.id", "campaign"), ("campaign.name", "campaign_name"), ("ad_group.id", "ad_set"),
            ("ad_group_ad.ad.id", "ad"), ("ad_group_ad.ad.name", "ad_name"), ("metrics.impressions", "impressions"),
            ("metrics.clicks", "clicks"), ("metrics.conversions", "conversions"), ("metrics.ctr", "0.01"),
            ("metrics.cost_micros", "spend in millionths"),
        ],
    ),
    Export(
        platform="tiktok", title="TikTok Ads", language="en",
        source="https://ads.tiktok.com/help/article?aid=10000166", currency="USD",
        columns=[
            ("Ad name", "ad_name"), ("Ad ID", "ad"), ("By Day", "day"), ("Currency", "USD"), ("Cost", "spend"),
            ("Impressions", "impressions"), ("Clicks (destination)", "clicks"), ("Clicks (all)", "all clicks"),
            ("CTR (destination)", "1.00%"), ("CPM", "4.10"), ("Conversions", "conversions"),
        ],
    ),
    Export(
        platform="linkedin", title="LinkedIn Ads", language="en", source=f"{_ADLOOP} Linkedin-Ads-metrics-&-dimensions.md",
        columns=[
            ("Date", "day"), ("Campaign Group", "Group"), ("Campaign", "campaign_name"), ("Campaign ID", "campaign"),
            ("Ad ID", "ad"), ("Ad name", "ad_name"), ("Impressions", "impressions"), ("Clicks", "clicks"),
            ("Spent", "spend"), ("External website conversions", "conversions"), ("Conversion value", "revenue"),
        ],
    ),
    Export(
        platform="pinterest", title="Pinterest Ads", language="en", source=f"{_ADLOOP} Pinterest-metrics-&-dimensions.md",
        columns=[
            ("Date", "day"), ("Campaign name", "campaign_name"), ("Campaign ID", "campaign"), ("Ad group name", "Set"),
            ("Pin Promotion ID", "ad"), ("Ad name", "ad_name"), ("Impressions", "impressions"), ("Pin clicks", "clicks"),
            ("Spend", "spend"), ("Conversions", "conversions"), ("Revenue", "revenue"),
        ],
    ),
    Export(
        platform="pinterest", title="Pinterest Ads (API)", language="en",
        source="https://github.com/pinterest/api-description v5/openapi.json",
        columns=[
            ("DATE", "day"), ("CAMPAIGN_ID", "campaign"), ("CAMPAIGN_NAME", "campaign_name"), ("AD_ID", "ad"),
            ("AD_NAME", "ad_name"), ("PAID_IMPRESSION", "impressions"), ("CLICKTHROUGH_1", "clicks"),
            ("SPEND_IN_DOLLAR", "spend"), ("TOTAL_CONVERSIONS", "conversions"),
        ],
    ),
    Export(
        platform="snapchat", title="Snapchat Ads", language="en", source=f"{_ADLOOP} Snapchat-Ads-metrics-&-dimension.md",
        columns=[
            ("Date", "day"), ("Campaign ID", "campaign"), ("Campaign name", "campaign_name"), ("Ad set ID", "ad_set"),
            ("Ad ID", "ad"), ("Ad name", "ad_name"), ("Total Impressions", "impressions"), ("Swipes", "clicks"),
            ("Amount spent", "spend"), ("Conversion Purchases", "conversions"),
        ],
    ),
    Export(
        platform="amazon", title="Amazon Sponsored Ads", language="en", currency="USD",
        source="https://github.com/idealerror/amazon-ads-api-docs en-us/guides/reporting/v2/advertising-console.md",
        columns=[
            ("Date", "day"), ("Currency", "USD"), ("Campaign Name", "campaign_name"), ("Advertised asin", "ad"),
            ("Creative name", "ad_name"), ("Impressions", "impressions"), ("Clicks", "clicks"),
            ("Click-Thru Rate (CTR)", "1.0%"), ("Spend", "spend"), ("7 Day Total Orders (#)", "conversions"),
            ("7 Day Total Sales", "revenue"),
        ],
    ),
    Export(
        platform="amazon-dsp", title="Amazon DSP", language="en", currency="EUR",
        source="https://github.com/idealerror/amazon-ads-api-docs en-us/guides/reporting/dsp/console-vs-api.md",
        columns=[
            ("Date", "day"), ("Order name", "campaign_name"), ("Order ID", "campaign"), ("Order currency", "EUR"),
            ("Line item name", "Set"), ("Creative name", "ad_name"), ("Creative ID", "ad"),
            ("Impressions", "impressions"), ("Click-throughs", "clicks"), ("Total cost", "spend"),
            ("Total purchases", "conversions"), ("Total product sales", "revenue"),
        ],
    ),
    Export(
        platform="x", title="X Ads", language="en", source=f"{_ADLOOP} Twitter-Ads-metrics-&-dimensions.md; "
        "https://business.twitter.com/it/help/campaign-measurement-and-analytics/export-csv-definitions.html",
        columns=[
            ("Time", "day"), ("Campaign ID", "campaign"), ("Campaign name", "campaign_name"), ("Ads", "ad"),
            ("Ad name", "ad_name"), ("Spend", "spend"), ("Impressions", "impressions"), ("Engagements", "900"),
            ("Clicks", "clicks"), ("Purchases", "conversions"),
        ],
    ),
    Export(
        platform="microsoft", title="Microsoft Advertising", language="en", currency="USD",
        source="https://github.com/MicrosoftDocs/BingAds-docs Advertising/bingads-13/reporting-service/"
        "adperformancereportcolumn.md",
        columns=[
            ("TimePeriod", "day"), ("AccountName", "account_name"), ("AccountId", "account"),
            ("CampaignName", "campaign_name"), ("CampaignId", "campaign"), ("AdId", "ad"), ("AdTitle", "ad_name"),
            ("CurrencyCode", "USD"), ("Impressions", "impressions"), ("Clicks", "clicks"), ("Ctr", "1.0%"),
            ("Spend", "spend"), ("Conversions", "conversions"), ("Revenue", "revenue"),
        ],
    ),
    Export(
        platform="the-trade-desk", title="The Trade Desk", language="en",
        source="https://docs.adverity.com/guides/tips-and-best-practices/the-trade-desk-tips.html",
        columns=[
            ("Date", "day"), ("Campaign", "campaign_name"), ("Creative", "ad_name"), ("Impressions", "impressions"),
            ("Clicks", "clicks"), ("Advertiser Cost (Advertiser Currency)", "spend"),
        ],
    ),
    Export(
        platform="dv360", title="Display & Video 360", language="en", currency="EUR",
        source=f"{_STARTHINKER} tests/dbm_to_bigquery.json, scripts/itp_audit.json, dags/monthly_budget_mover_dag.py",
        columns=[
            ("Report Day", "day"), ("Advertiser", "account_name"), ("Advertiser ID", "account"),
            ("Advertiser Currency", "EUR"), ("Insertion Order", "campaign_name"), ("Insertion Order ID", "campaign"),
            ("Line Item", "Set"), ("Line Item ID", "ad_set"), ("Creative", "ad_name"), ("Creative ID", "ad"),
            ("Impressions", "impressions"), ("Clicks", "clicks"), ("Total Conversions", "conversions"),
            ("Revenue (Adv Currency)", "spend"),
        ],
    ),
    Export(
        platform="cm360", title="Campaign Manager 360", language="en",
        source="https://github.com/googleads/googleads-dfa-reporting-samples/issues/12",
        columns=[
            ("Advertiser", "account_name"), ("Date", "day"), ("Site (DCM)", "example.com"), ("Campaign", "campaign_name"),
            ("Creative", "ad_name"), ("Placement", "MPU"), ("Campaign ID", "campaign"),
            ("Click-through URL", "https://example.com"), ("Impressions", "impressions"), ("Clicks", "clicks"),
        ],
    ),
    Export(
        platform="ga4", title="Google Analytics 4", language="en",
        source="https://github.com/keboola/keboola-as-code-templates ads-shoptet-template/marketing-dashboard/v0/src/"
        "extractor/keboola.ex-google-analytics-v4/template-ga/rows/raw-ad-analytics/config.jsonnet; "
        "https://github.com/surendranb/google-analytics-mcp ga4_mcp_server.py",
        columns=[
            ("date", "day"), ("sessionGoogleAdsCampaignName", "campaign_name"),
            ("sessionGoogleAdsAdGroupName", "Set"), ("sessionGoogleAdsCreativeId", "ad"), ("ad_name", "ad_name"),
            ("advertiserAdImpressions", "impressions"), ("advertiserAdClicks", "clicks"),
            ("advertiserAdCost", "spend"), ("keyEvents", "conversions"),
        ],
    ),
    Export(
        platform="appsflyer", title="AppsFlyer", language="en",
        source="https://support.appsflyer.com/hc/ja/articles/207034536; "
        "https://help.funnel.io/en/articles/3220691-what-data-can-i-get-from-appsflyer-aggregated-reports",
        columns=[
            ("Date", "day"), ("Media Source (PID)", "appsflyer"), ("Campaign (c)", "campaign_name"),
            ("Adset Name", "Set"), ("Ad Name", "ad_name"), ("Ad ID", "ad"), ("Impressions", "impressions"),
            ("Clicks", "clicks"), ("Installs", "conversions"), ("Cost", "spend"),
        ],
    ),
    Export(
        platform="criteo", title="Criteo", language="en", currency="USD",
        source="https://developers.criteo.com/marketing-solutions/docs/campaign-statistics",
        columns=[
            ("AdsetId", "ad_set"), ("Day", "day"), ("Currency", "USD"), ("AdId", "ad"), ("Ad", "ad_name"),
            ("Displays", "impressions"), ("Clicks", "clicks"), ("AdvertiserCost", "spend"), ("Sales", "conversions"),
        ],
    ),
    Export(
        platform="", title="Reddit Ads", language="en",
        source="https://docs.hockeystack.com/integrations/ad-platforms/reddit-ads",
        columns=[
            ("date", "day"), ("account_id", "account"), ("campaign_id", "campaign"), ("campaign_name", "campaign_name"),
            ("adgroup_id", "ad_set"), ("ad_id", "ad"), ("ad_name", "ad_name"), ("impressions", "impressions"),
            ("clicks", "clicks"), ("spend", "spend"),
        ],
    ),
    Export(
        platform="yahoo-japan", title="Yahoo! JAPAN Ads", language="ja",
        source="https://github.com/yahoojp-marketing/ads-display-api-documents reports/v16/AD.csv",
        columns=[
            ("日", "day"), ("アカウントID", "account"), ("キャンペーンID", "campaign"),
            ("キャンペーン名", "campaign_name"), ("広告グループID", "ad_set"), ("広告ID", "ad"),
            ("ファイル名", "ad_name"), ("インプレッション数", "impressions"), ("クリック数", "clicks"),
            ("クリック率", "1.0%"), ("コスト", "spend"), ("コンバージョン数", "conversions"),
        ],
    ),
    Export(
        platform="yahoo-japan", title="Yahoo! JAPAN Ads", language="en",
        source="https://github.com/yahoojp-marketing/ads-display-api-documents reports/v16/AD.csv",
        columns=[
            ("Daily", "day"), ("Account ID", "account"), ("Campaign ID", "campaign"), ("Campaign Name", "campaign_name"),
            ("Ad Group ID", "ad_set"), ("Ad ID", "ad"), ("File Name", "ad_name"), ("Impressions", "impressions"),
            ("Clicks", "clicks"), ("CTR", "1.0%"), ("Cost", "spend"), ("Conversions", "conversions"),
        ],
    ),
    Export(
        platform="yahoo-japan", title="Yahoo! JAPAN Ads (search)", language="ja",
        source="https://github.com/yahoojp-marketing/ads-search-api-documents reports/v20/jp/AD.csv",
        columns=[
            ("アカウントID", "account"), ("アカウント名", "account_name"), ("キャンペーンID", "campaign"),
            ("広告グループID", "ad_set"), ("広告ID", "ad"), ("キャンペーン名", "campaign_name"), ("広告名", "ad_name"),
            ("コスト", "spend"), ("インプレッション数", "impressions"), ("クリック数", "clicks"), ("クリック率", "1.0"),
            ("コンバージョン数", "conversions"), ("コンバージョンの価値", "revenue"),
            ("コンバージョン数（全て）", "9"), ("日", "day"),
        ],
    ),
    Export(
        platform="line", title="LINE Ads", language="ja", currency="JPY",
        source="https://quartet-communications.com/info/sns-ads/88873; "
        "https://github.com/trocco-io/trocco-docs-md trocco/data-source-line-ad-api.md",
        columns=[
            ("日", "day"), ("広告アカウントID", "account"), ("キャンペーンID", "campaign"), ("キャンペーン名", "campaign_name"),
            ("広告グループID", "ad_set"), ("広告ID", "ad"), ("広告名", "ad_name"), ("インプレッション数", "impressions"),
            ("クリック数", "clicks"), ("コスト", "spend"), ("通貨", "JPY"),
        ],
    ),
    Export(
        platform="line", title="LINE Ads (API)", language="en", currency="JPY",
        source="https://github.com/trocco-io/trocco-docs-md trocco/data-source-line-ad-api.md",
        columns=[
            ("day", "day"), ("ad_account_name", "account_name"), ("ad_account_id", "account"),
            ("campaign_name", "campaign_name"), ("campaign_id", "campaign"), ("ad_group_name", "Set"),
            ("ad_group_id", "ad_set"), ("ad_name", "ad_name"), ("ad_id", "ad"), ("title", "Spring"),
            ("impressions", "impressions"), ("cpm", "0"), ("clicks", "clicks"), ("ctr", "1.79"), ("cpc", "24"),
            ("cv", "conversions"), ("cvr", "0.00"), ("cpa", "0"), ("cost", "spend"), ("currency", "JPY"),
        ],
    ),
    Export(
        platform="naver", title="NAVER Search Ads", language="ko",
        source="https://github.com/minyeamer/linkmerce src/linkmerce/core/searchad/manage/adreport/extract.py; "
        f"{_ORIGINALS}",
        columns=[
            ("일별", "day"), ("캠페인", "campaign_name"), ("광고그룹", "Set"), ("소재", "ad_name"),
            ("PC/모바일 매체", "모바일"), ("노출수", "impressions"), ("클릭수", "clicks"), ("총비용(VAT포함,원)", "spend"),
            ("전환수", "conversions"), ("전환매출액(원)", "revenue"), ("평균노출순위", "2.3"),
        ],
    ),
    Export(
        platform="naver", title="NAVER Search Ads", language="en",
        source="http://naver.github.io/searchad-apidoc/notice/2022/07/21/notice1/; "
        "https://gist.github.com/naver-searchad/186ca42e1e8596b0e3dcf74e3a86c04f",
        columns=[
            ("Date", "day"), ("CUSTOMER ID", "account"), ("Campaign ID", "campaign"), ("Ad ID", "ad"),
            ("Ad name", "ad_name"), ("Impression", "impressions"), ("Click", "clicks"), ("Cost", "spend"),
            ("Conversion count", "conversions"), ("Sales by conversion", "revenue"),
        ],
    ),
]  # fmt: skip
