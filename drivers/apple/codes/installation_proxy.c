/*
 * installation_proxy.c - why an app did not go in, did not go out or could not be looked up.
 *
 * For:    ../apps.c and what installs; `stager explain installation_proxy DeviceOSVersionTooLow`.
 * Uses:   nothing.
 * Called: as data.
 * Thread: any; constant.
 * Facts:  protocols/apple.md 5.2. The words are the wire's (member Error), the numbers libimobiledevice's (1.3.0,
 *         installation_proxy.h); those without a word are its own.
 */
#include <stager/codes.h>

#define ROW(word, number, kind, what) { .name = word, .first = number, .last = number, .code = STG_E_##kind, .id = STG_ID_##what }

static const struct stg_code_row rows[] = {
	ROW("AlreadyArchived", -7, REFUSED, APP_THERE_ALREADY),
	ROW("APIInternalError", -8, REFUSED, APP_SERVICE_FAILED),
	ROW("ApplicationAlreadyInstalled", -9, REFUSED, APP_THERE_ALREADY),
	ROW("ApplicationMoveFailed", -10, REFUSED, APP_SERVICE_FAILED),
	ROW("ApplicationSINFCaptureFailed", -11, REFUSED, APP_NOT_SIGNED_FOR_IT),
	ROW("ApplicationSandboxFailed", -12, REFUSED, APP_SERVICE_FAILED),
	ROW("ApplicationVerificationFailed", -13, REFUSED, APP_NOT_SIGNED_FOR_IT),
	ROW("ArchiveDestructionFailed", -14, REFUSED, APP_SERVICE_FAILED),
	ROW("BundleVerificationFailed", -15, REFUSED, APP_NOT_SIGNED_FOR_IT),
	ROW("CarrierBundleCopyFailed", -16, REFUSED, APP_SERVICE_FAILED),
	ROW("CarrierBundleDirectoryCreationFailed", -17, REFUSED, APP_SERVICE_FAILED),
	ROW("CarrierBundleMissingSupportedSIMs", -18, REFUSED, APP_NEEDS_OTHER_DEVICE),
	ROW("CommCenterNotificationFailed", -19, REFUSED, APP_SERVICE_FAILED),
	ROW("ContainerCreationFailed", -20, REFUSED, APP_SERVICE_FAILED),
	ROW("ContainerP0wnFailed", -21, REFUSED, APP_SERVICE_FAILED),
	ROW("ContainerRemovalFailed", -22, REFUSED, APP_SERVICE_FAILED),
	ROW("EmbeddedProfileInstallFailed", -23, REFUSED, APP_NOT_SIGNED_FOR_IT),
	ROW("ExecutableTwiddleFailed", -24, REFUSED, APP_DAMAGED),
	ROW("ExistenceCheckFailed", -25, REFUSED, APP_SERVICE_FAILED),
	ROW("InstallMapUpdateFailed", -26, REFUSED, APP_SERVICE_FAILED),
	ROW("ManifestCaptureFailed", -27, REFUSED, APP_DAMAGED),
	ROW("MapGenerationFailed", -28, REFUSED, APP_SERVICE_FAILED),
	ROW("MissingBundleExecutable", -29, REFUSED, APP_DAMAGED),
	ROW("MissingBundleIdentifier", -30, REFUSED, APP_DAMAGED),
	ROW("MissingBundlePath", -31, REFUSED, APP_DAMAGED),
	ROW("MissingContainer", -32, REFUSED, APP_SERVICE_FAILED),
	ROW("NotificationFailed", -33, REFUSED, APP_SERVICE_FAILED),
	ROW("PackageExtractionFailed", -34, REFUSED, APP_DAMAGED),
	ROW("PackageInspectionFailed", -35, REFUSED, APP_DAMAGED),
	ROW("PackageMoveFailed", -36, REFUSED, APP_SERVICE_FAILED),
	ROW("PathConversionFailed", -37, REFUSED, APP_SERVICE_FAILED),
	ROW("RestoreContainerFailed", -38, REFUSED, APP_SERVICE_FAILED),
	ROW("SeatbeltProfileRemovalFailed", -39, REFUSED, APP_SERVICE_FAILED),
	ROW("StageCreationFailed", -40, REFUSED, APP_SERVICE_FAILED),
	ROW("SymlinkFailed", -41, REFUSED, APP_SERVICE_FAILED),
	ROW("UnknownCommand", -42, UNSUPPORTED, DEVICE_CANNOT),
	ROW("iTunesArtworkCaptureFailed", -43, REFUSED, APP_DAMAGED),
	ROW("iTunesMetadataCaptureFailed", -44, REFUSED, APP_DAMAGED),
	ROW("DeviceOSVersionTooLow", -45, REFUSED, APP_NEEDS_OTHER_DEVICE),
	ROW("DeviceFamilyNotSupported", -46, REFUSED, APP_NEEDS_OTHER_DEVICE),
	ROW("PackagePatchFailed", -47, REFUSED, APP_DAMAGED),
	ROW("IncorrectArchitecture", -48, REFUSED, APP_NEEDS_OTHER_DEVICE),
	ROW("PluginCopyFailed", -49, REFUSED, APP_SERVICE_FAILED),
	ROW("BreadcrumbFailed", -50, REFUSED, APP_SERVICE_FAILED),
	ROW("BreadcrumbUnlockFailed", -51, REFUSED, APP_SERVICE_FAILED),
	ROW("GeoJSONCaptureFailed", -52, REFUSED, APP_DAMAGED),
	ROW("NewsstandArtworkCaptureFailed", -53, REFUSED, APP_DAMAGED),
	ROW("MissingCommand", -54, UNSUPPORTED, DEVICE_CANNOT),
	ROW("NotEntitled", -55, REFUSED, APP_NOT_SIGNED_FOR_IT),
	ROW("MissingPackagePath", -56, REFUSED, APP_DAMAGED),
	ROW("MissingContainerPath", -57, UNSUPPORTED, DEVICE_CANNOT),
	ROW("MissingApplicationIdentifier", -58, UNSUPPORTED, DEVICE_CANNOT),
	ROW("MissingAttributeValue", -59, UNSUPPORTED, DEVICE_CANNOT),
	ROW("LookupFailed", -60, NOT_FOUND, APP_SERVICE_FAILED),
	ROW("DictCreationFailed", -61, REFUSED, APP_SERVICE_FAILED),
	ROW("InstallProhibited", -62, REFUSED, APP_FORBIDDEN),
	ROW("UninstallProhibited", -63, REFUSED, APP_FORBIDDEN),
	ROW("MissingBundleVersion", -64, REFUSED, APP_DAMAGED),
	/* house_arrest, for an app's documents */
	{ .name = "ApplicationLookupFailed", .code = STG_E_NOT_FOUND, .id = STG_ID_APP_NOT_THERE },
	{ .name = "InstallationLookupFailed", .code = STG_E_REFUSED, .id = STG_ID_APP_NO_SHARING },
	/* the library's own */
	ROW(NULL, -1, BUG, BUG),
	ROW(NULL, -2, PROTOCOL, DEVICE_NONSENSE),
	ROW(NULL, -3, GONE, DEVICE_GONE),
	ROW(NULL, -4, TIMEOUT, DEVICE_SILENT),
	ROW(NULL, -5, REFUSED, APP_SERVICE_FAILED),
	ROW(NULL, -6, TIMEOUT, DEVICE_SILENT),
	ROW(NULL, -256, REFUSED, APP_SERVICE_FAILED),
	{ 0 },
};

const struct stg_codes stg_codes_installation_proxy = {
	.protocol = "installation_proxy",
	.also = "instproxy app apps house_arrest",
	.rows = rows,
	.otherwise = { .code = STG_E_REFUSED, .id = STG_ID_APP_SERVICE_FAILED },
};
