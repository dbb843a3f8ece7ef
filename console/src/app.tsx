import { useCallback, useEffect, useState, useSyncExternalStore } from "react";

import AppLayout from "@cloudscape-design/components/app-layout";
import BreadcrumbGroup from "@cloudscape-design/components/breadcrumb-group";
import Box from "@cloudscape-design/components/box";
import FormField from "@cloudscape-design/components/form-field";
import { I18nProvider } from "@cloudscape-design/components/i18n";
import messages from "@cloudscape-design/components/i18n/messages/all.en";
import Input from "@cloudscape-design/components/input";
import Link from "@cloudscape-design/components/link";
import SideNavigation, { type SideNavigationProps } from "@cloudscape-design/components/side-navigation";
import TopNavigation from "@cloudscape-design/components/top-navigation";

import { status } from "./admin/api.ts";
import { Confirm } from "./parts/common.tsx";
import { FlashProvider, Messages, useTidyMessages } from "./parts/flash.tsx";
import { useLoad } from "./parts/load.ts";
import { REGIONS } from "./regions.ts";
import { follow, href, navigate, pathOf, usePath } from "./router.ts";
import { isPage, pageFor, type Page } from "./routes.tsx";
import { isAccount, SessionProvider, useSession } from "./session.tsx";

export function App() {
  return (
    <I18nProvider locale="en" messages={[messages]}>
      <FlashProvider>
        <SessionProvider>
          <Frame />
        </SessionProvider>
      </FlashProvider>
    </I18nProvider>
  );
}

function Frame() {
  const path = usePath();
  const { region, account } = useSession();
  const page = pageFor(path);
  const isNarrow = useIsNarrow();
  // Each width has its own: a window that was small for a while has its pane again when it is wide.
  const [isOpen, setIsOpen] = useState({ wide: true, narrow: false });
  useEffect(() => {
    if (path === "") navigate(href("kms/key-stores"));
  }, [path]);
  useTidyMessages(path);
  useEffect(() => {
    document.title = `${page.title} | Portcullis`;
  }, [page.title]);
  return (
    <>
      <div id="top">
        <Top />
      </div>
      <AppLayout
        headerSelector="#top"
        toolsHide
        contentType={page.kind}
        navigationOpen={isNarrow ? isOpen.narrow : isOpen.wide}
        navigationWidth={240}
        onNavigationChange={({ detail }) => setIsOpen((last) => ({ ...last, [isNarrow ? "narrow" : "wide"]: detail.open }))}
        navigation={<Navigation path={path} />}
        breadcrumbs={<Crumbs page={page} />}
        notifications={<Messages />}
        ariaLabels={{
          navigation: "Navigation pane",
          navigationClose: "Close navigation",
          navigationToggle: "Open navigation",
          notifications: "Notifications",
        }}
        content={<div key={`${account} ${region} ${path}`}>{page.content}</div>}
      />
    </>
  );
}

/** Where the navigation pane would leave too little for the page. */
const NARROW = "(max-width: 1000px)";

function useIsNarrow(): boolean {
  const subscribe = useCallback((changed: () => void) => {
    const media = window.matchMedia(NARROW);
    media.addEventListener("change", changed);
    return () => media.removeEventListener("change", changed);
  }, []);
  return useSyncExternalStore(subscribe, () => window.matchMedia(NARROW).matches);
}

function Crumbs({ page }: { page: Page }) {
  const items = [...page.parents, { text: page.title, path: "" }].map(({ text, path }) => ({ text, href: href(path) }));
  return <BreadcrumbGroup ariaLabel="Breadcrumbs" items={items} onFollow={follow} />;
}

function Top() {
  const session = useSession();
  const [isAsking, setIsAsking] = useState(false);
  const known = useLoad(useCallback(() => status(), []), 30_000);
  const accounts = new Set([session.account]);
  if (known.data !== null) {
    accounts.add(known.data.defaults.account);
    for (const { account } of [...known.data.key_stores, ...known.data.clusters]) accounts.add(account);
  }
  const regions = REGIONS.some(([id]) => id === session.region) ? REGIONS : [...REGIONS, [session.region, "Other"] as const];
  return (
    <>
      <TopNavigation
        identity={{ title: "Portcullis", href: href("kms/key-stores"), logo: { src: "/console/portcullis.svg", alt: "Portcullis" }, onFollow: follow }}
        utilities={[
          {
            type: "button",
            text: session.isDark ? "Light mode" : "Dark mode",
            onClick: () => session.setDark(!session.isDark),
          },
          {
            type: "menu-dropdown",
            text: session.account,
            ariaLabel: `Account ${session.account}`,
            title: "Account",
            description: "The access key of every call",
            iconName: "user-profile",
            items: [...[...accounts].sort().map((id) => ({ id, text: id })), { id: "other", text: "Another account …" }],
            onItemClick: ({ detail }) => (detail.id === "other" ? setIsAsking(true) : session.setAccount(detail.id)),
          },
          {
            type: "menu-dropdown",
            text: session.region,
            ariaLabel: `Region ${session.region}`,
            title: "Region",
            items: regions.map(([id, name]) => ({ id, text: `${name} ${id}` })),
            onItemClick: ({ detail }) => session.setRegion(detail.id),
          },
        ]}
      />
      {isAsking && <AskAccount onClose={() => setIsAsking(false)} />}
    </>
  );
}

function AskAccount({ onClose }: { onClose: () => void }) {
  const session = useSession();
  const [account, setAccount] = useState("");
  const choose = () => {
    if (!isAccount(account)) return Promise.reject(new Error("An account ID has twelve digits."));
    session.setAccount(account);
    return Promise.resolve();
  };
  return (
    <Confirm title="Another account" action="Use it" onConfirm={choose} onClose={onClose}>
      <FormField label="Account ID" description="An account exists as soon as it is used." constraintText="Twelve digits">
        <Input value={account} inputMode="numeric" autoFocus onChange={({ detail }) => setAccount(detail.value)} />
      </FormField>
    </Confirm>
  );
}

function Navigation({ path }: { path: string }) {
  const link = (text: string, to: string): SideNavigationProps.Link => ({ type: "link", text, href: href(to) });
  const exists = ({ href: to }: SideNavigationProps.Link) => isPage(pathOf(to.split("?")[0] ?? ""));
  const items = [
    {
      type: "section" as const,
      text: "Key Management Service",
      items: [
        link("Customer managed keys", "kms/keys"),
        {
          type: "expandable-link-group" as const,
          text: "Custom key stores",
          defaultExpanded: true,
          href: href("kms/key-stores"),
          items: [link("AWS CloudHSM key stores", "kms/key-stores/cloudhsm")],
        },
        link("Troubleshooting", "kms/troubleshooting"),
      ],
    },
    {
      type: "section" as const,
      text: "CloudHSM",
      items: [link("Clusters", "cloudhsm/clusters"), link("Backups", "cloudhsm/backups")].filter(exists),
    },
    {
      type: "section" as const,
      text: "Simulator",
      items: [
        link("Chaos", "simulator/chaos"),
        link("Load runs", "simulator/load"),
        link("Events", "simulator/events"),
        link("Runbooks", "simulator/runbooks"),
        link("Clock", "simulator/clock"),
      ].filter(exists),
    },
  ].filter((item) => item.type !== "section" || item.items.length > 0) as SideNavigationProps.Item[];
  const section = path.split("/").slice(0, 2).join("/");
  const active = path === "kms/key-stores/cloudhsm" ? path : section;
  return (
    <>
      <SideNavigation items={items} activeHref={href(active)} onFollow={follow} />
      <Box padding={{ horizontal: "xl", vertical: "s" }} fontSize="body-s">
        <Link href="/console/third-party.txt" fontSize="body-s">Licences of its parts</Link>
      </Box>
    </>
  );
}
